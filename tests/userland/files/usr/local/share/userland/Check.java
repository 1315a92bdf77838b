// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a virtual machine with a compiler of its own asks of the processor: loops that are replaced while they run, assumptions that
// turn out wrong, faults as exceptions, threads, locks, memory that is collected. A line for each; no times.

import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.VarHandle;
import java.lang.reflect.Proxy;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntBinaryOperator;
import java.util.stream.IntStream;

public class Check {
    interface Shape {
        double area();
    }

    record Square(double side) implements Shape {
        public double area() {
            return side * side;
        }
    }

    record Disc(double radius) implements Shape {
        public double area() {
            return Math.PI * radius * radius;
        }
    }

    record Oblong(double a, double b) implements Shape {
        public double area() {
            return a * b;
        }
    }

    static final class Node {
        Node left, right;

        Node(int depth) {
            if (depth > 0) {
                left = new Node(depth - 1);
                right = new Node(depth - 1);
            }
        }

        int count() {
            return left == null ? 1 : 1 + left.count() + right.count();
        }
    }

    static String digest(Object text) throws Exception {
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(text.toString().getBytes("UTF-8"));
        return HexFormat.of().formatHex(hash, 0, 8);
    }

    static String integers() {
        long x = 88172645463325252L, sum = 0;
        int y = 1;
        for (int i = 0; i < 3_000_000; i++) {
            x ^= x << 13;
            x ^= x >>> 7;
            x ^= x << 17;
            y = y * 1103515245 + 12345;
            sum += x % 1000003 + Long.rotateLeft(x, y) + Integer.bitCount(y) + Long.numberOfTrailingZeros(x) + (y >> 3) / ((y & 15) + 1);
        }
        return sum + " " + Math.multiplyHigh(x, sum) + " " + Long.remainderUnsigned(x, 1000000007L);
    }

    static String floats() throws Exception {
        double s = 0, t = 1;
        float f = 0;
        StringBuilder all = new StringBuilder();
        for (int i = 1; i < 400_000; i++) {
            s += Math.sqrt(i) * StrictMath.sin(i) / i;
            t = Math.fma(t, 1.0000001, -1e-9);
            f += (float) i / 3;
            if (i % 40_000 == 0)
                all.append(s).append(f).append(t);
        }
        double[] odd = {0.0, -0.0, 1, -1, Double.NaN, Double.POSITIVE_INFINITY, Double.MIN_VALUE, -1e300, 3e9, 1e19};
        for (double a : odd)
            for (double b : odd)
                all.append(a + b).append(a / b).append(a % b).append((int) a).append((long) b).append(a < b).append(Math.min(a, b))
                    .append((float) (a * b)).append(Math.rint(a)).append(Double.compare(a, b));
        return digest(all) + " " + s;
    }

    static double area(Shape[] shapes, int times) {
        double sum = 0;
        for (int i = 0; i < times; i++)
            sum += shapes[i % shapes.length].area();
        return sum;
    }

    static String shapes() {
        double one = area(new Shape[] {new Square(1.5)}, 200_000);
        double two = area(new Shape[] {new Square(1.5), new Disc(0.5)}, 200_000);
        double three = area(new Shape[] {new Square(1.5), new Disc(0.5), new Oblong(2, 3)}, 200_000);
        return one + " " + two + " " + three;
    }

    static int deep(int n) {
        return n + deep(n + 1);
    }

    // Each way to fail many times, before the compiler has seen the code and after.
    static String faults() {
        int nulls = 0, zeros = 0, bounds = 0, casts = 0, deeps = 0;
        String[] texts = {"a", null, "bc"};
        Object[] objects = {1, "x", 2L};
        for (int i = 0; i < 60_000; i++) {
            try {
                nulls += texts[i % 3].length() > 5 ? 100 : 0;
            } catch (NullPointerException e) {
                nulls++;
            }
            try {
                zeros += 10 / (i % 5) > 20 ? 100 : 0;
            } catch (ArithmeticException e) {
                zeros++;
            }
            try {
                bounds += texts[i % 4] == null ? 0 : 0;
            } catch (ArrayIndexOutOfBoundsException e) {
                bounds++;
            }
            try {
                casts += ((String) objects[i % 3]).length() - 1;
            } catch (ClassCastException e) {
                casts++;
            }
        }
        for (int i = 0; i < 3; i++) {
            try {
                deep(0);
            } catch (StackOverflowError e) {
                deeps++;
            }
        }
        return nulls + " " + zeros + " " + bounds + " " + casts + " " + deeps;
    }

    static String strings() throws Exception {
        Map<String, Integer> count = new TreeMap<>();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 60_000; i++) {
            String word = Integer.toString(i * 7919 % 10007, 36);
            count.merge(word, 1, Integer::sum);
            text.append(word).append(i % 11 == 0 ? "\u00e4\u4e16" : " ");
        }
        return count.size() + " " + digest(text) + " " + text.toString().replaceAll("[a-f]([0-9]+)", "<$1>").hashCode() + " "
            + String.format("%08.3f|%x|%,d|%e", Math.E * 1000, 48879, 1234567890, 6.02e23);
    }

    static String numbers() throws Exception {
        BigInteger n = BigInteger.ONE;
        for (int i = 2; i < 700; i++)
            n = n.multiply(BigInteger.valueOf(i));
        BigInteger p = BigInteger.TWO.pow(521).subtract(BigInteger.ONE);
        return digest(n) + " " + p.isProbablePrime(10) + " " + n.add(BigInteger.ONE).modInverse(p).hashCode() + " "
            + new BigDecimal(2).sqrt(new MathContext(80));
    }

    static String lambdas() throws Throwable {
        IntBinaryOperator[] all = new IntBinaryOperator[40];
        for (int i = 0; i < all.length; i++) {
            int k = i;
            all[i] = i % 3 == 0 ? (a, b) -> a * k + b : i % 3 == 1 ? (a, b) -> a ^ b + k : Math::max;
        }
        int s = 0;
        for (int i = 0; i < 400_000; i++)
            s = all[i % all.length].applyAsInt(s, i);
        var join = MethodHandles.lookup().findVirtual(String.class, "concat", MethodType.methodType(String.class, String.class));
        Runnable proxy = (Runnable) Proxy.newProxyInstance(Check.class.getClassLoader(), new Class<?>[] {Runnable.class}, (p, m, a) -> null);
        proxy.run();
        return s + " " + (String) join.invokeExact("a", "b") + " " + IntStream.range(0, 100_000).filter(i -> i % 7 == 3).mapToLong(i -> i).sum();
    }

    static int plain, guarded;
    static volatile int turn;
    static final VarHandle PLAIN;

    static {
        try {
            PLAIN = MethodHandles.lookup().findStaticVarHandle(Check.class, "plain", int.class);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    static String threads() throws Exception {
        AtomicLong total = new AtomicLong();
        ReentrantLock lock = new ReentrantLock();
        Map<Integer, Integer> map = new ConcurrentHashMap<>();
        List<Thread> all = new ArrayList<>();
        int[] locked = new int[1];
        for (int t = 0; t < 4; t++) {
            int me = t;
            all.add(new Thread(() -> {
                for (int i = 0; i < 20_000; i++) {
                    total.addAndGet(i);
                    PLAIN.getAndAdd(1);
                    map.merge(i % 97, me, Integer::sum);
                    synchronized (map) {
                        guarded++;
                    }
                    lock.lock();
                    locked[0]++;
                    lock.unlock();
                }
                for (int i = 0; i < 200; i++) {
                    while (turn % 4 != me)
                        Thread.onSpinWait();
                    turn = turn + 1;
                }
            }));
        }
        for (Thread t : all)
            t.start();
        for (Thread t : all)
            t.join();
        AtomicLong virtual = new AtomicLong();
        try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 500; i++) {
                int n = i;
                executor.submit(() -> {
                    Thread.sleep(1);
                    return virtual.addAndGet(n);
                });
            }
        }
        return total + " " + plain + " " + map.values().stream().mapToInt(i -> i).sum() + " " + guarded + " " + locked[0] + " " + turn + " " + virtual
            + " " + IntStream.range(0, 200_000).parallel().mapToLong(i -> (long) i * i).sum();
    }

    static String memory() {
        int nodes = 0;
        Node kept = new Node(15);
        for (int i = 0; i < 60; i++)
            nodes += new Node(12).count();
        byte[][] blocks = new byte[64][];
        for (int i = 0; i < 2000; i++)
            blocks[i % blocks.length] = new byte[i * 37 % 100_000];
        System.gc();
        int bytes = 0;
        for (byte[] b : blocks)
            bytes += b.length;
        return nodes + " " + kept.count() + " " + bytes;
    }

    interface Part {
        String run() throws Throwable;
    }

    public static void main(String[] arguments) throws Throwable {
        Map<String, Part> parts = new java.util.LinkedHashMap<>();
        parts.put("integers", Check::integers);
        parts.put("floats", Check::floats);
        parts.put("shapes", Check::shapes);
        parts.put("faults", Check::faults);
        parts.put("strings", Check::strings);
        parts.put("numbers", Check::numbers);
        parts.put("lambdas", Check::lambdas);
        parts.put("threads", Check::threads);
        parts.put("memory", Check::memory);
        for (var part : parts.entrySet())
            System.out.println(part.getKey() + ": " + part.getValue().run());
    }
}
