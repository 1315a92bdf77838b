;;; SPDX-License-Identifier: BSD-2-Clause-Patent
;;; SBCL compiles each function to machine code when it is defined; a line for each part; no times.

(defun part (name &rest values)
  (format t "~a:~{ ~a~}~%" name values))

(defun integers (n)
  (declare (fixnum n) (optimize (speed 1)))
  (let ((x 88172645463325252) (sum 0))
    (declare (type (unsigned-byte 64) x) (fixnum sum))
    (dotimes (i n (list x sum))
      (setf x (logxor x (ldb (byte 64 0) (ash x 13))))
      (setf x (logxor x (ash x -7)))
      (setf x (logxor x (ldb (byte 64 0) (ash x 17))))
      (setf sum (mod (+ sum (mod x 1000003) i) 1000000007)))))

(defun floats (n)
  (let ((s 0d0))
    (declare (double-float s))
    (loop for i fixnum from 1 below n
          do (incf s (/ (* (sqrt (float i 1d0)) (if (evenp i) 1.5d0 -0.5d0)) (+ i 0.25d0))))
    s))

(defun factorial (n)
  (if (< n 2) 1 (* n (factorial (1- n)))))

(defgeneric area (thing))
(defclass square () ((side :initarg :side :reader side)))
(defclass disc () ((radius :initarg :radius :reader radius)))
(defmethod area ((s square)) (* (side s) (side s)))
(defmethod area ((d disc)) (* 355/113 (radius d) (radius d)))

(defun caught (n)
  (let ((count 0))
    (dotimes (i n count)
      (handler-case (if (zerop (mod i 3)) (error "on purpose") (incf count (truncate 10 (mod i 5))))
        (division-by-zero () (incf count 1000000))
        (error () (incf count))))))

(defun made (n)
  (let ((sum 0))
    (dotimes (i n sum)
      (incf sum (funcall (compile nil `(lambda (x) (mod (* (+ x ,i) ,(1+ i)) 65521))) i)))))

(defun trees (n)
  (labels ((tree (depth) (if (zerop depth) nil (cons (tree (1- depth)) (tree (1- depth)))))
           (size (tree) (if (null tree) 1 (+ (size (car tree)) (size (cdr tree))))))
    (let ((kept (tree 14)) (sum 0))
      (dotimes (i n (list sum (size kept)))
        (incf sum (size (tree 10)))))))

(apply #'part "integers" (integers 2000000))
(part "floats" (floats 500000) (sqrt -2d0) (rational 0.1d0))
(part "large" (mod (factorial 900) (1- (expt 2 521))) (integer-length (factorial 900)))
(part "methods" (let ((things (vector (make-instance 'square :side 3) (make-instance 'disc :radius 2))))
                  (loop for i below 40000 sum (area (aref things (mod i 2))))))
(part "errors" (caught 20000))
(part "made" (made 60))
(apply #'part "memory" (trees 200))
(sb-ext:gc :full t)
(part "collected" (hash-table-count (let ((h (make-hash-table :test #'equal)))
                                      (dotimes (i 20000 h) (setf (gethash (format nil "~36r" (mod (* i 7919) 10007)) h) i)))))
