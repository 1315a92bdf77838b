// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a JavaScript engine asks of the processor: code that is made, replaced, thrown away and moved; a line for each part; no times.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const { execFileSync } = require('child_process');
const { Worker, isMainThread, workerData } = require('worker_threads');

const digest = (value) => crypto.createHash('sha256').update(String(value)).digest('hex').slice(0, 16);

function integers() {
    let x = 123456789, y = 362436069, s = 0;
    for (let i = 0; i < 3000000; i++) {
        x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
        y = (Math.imul(y, 1103515245) + 12345) | 0;
        s = (s + (x % 1013) + (y >>> 7) + Math.clz32(y)) | 0;
    }
    return [x, y, s];
}

function floats() {
    let s = 0, t = 1, all = '';
    for (let i = 1; i < 300000; i++) {
        s += Math.sqrt(i) * Math.sin(i) / i + Math.fround(i / 3) * 1e-9;
        t = t * 1.0000001 - 1e-9;
        if (i % 30000 === 0)
            all += `${s} ${t} ${Math.pow(i, 0.3)} ${Math.atan2(i, s)}`;
    }
    const odd = [0, -0, 1, -1, NaN, Infinity, 5e-324, -1e300, 3e9, 2147483648.5];
    for (const a of odd)
        for (const b of odd)
            all += [a + b, a / b, a % b, a | 0, b >>> 0, a < b, Math.min(a, b), Object.is(a, b), Math.round(a), a ** b].join();
    return [digest(all), s];
}

// The same code, for values that the compiler has to learn about anew.
function add(a, b) { return a + b; }
function kinds() {
    const out = [];
    for (const [a, b] of [[1, 2], [2147483647, 1], [0.5, 0.25], ['a', 'b'], [10n, 20n], [1, 'x'], [null, 3], [{}, []]]) {
        let last;
        for (let i = 0; i < 60000; i++)
            last = add(a, b);
        out.push(String(last));
    }
    const shapes = [];
    for (let i = 0; i < 12; i++)
        shapes.push(Object.fromEntries([...Array(i % 7)].map((_, k) => ['p' + k, k]).concat([['v', i]])));
    let s = 0;
    for (let i = 0; i < 400000; i++)
        s += shapes[i % shapes.length].v;
    return [...out, s];
}

function collections() {
    const map = new Map(), set = new Set(), array = [];
    for (let i = 0; i < 60000; i++) {
        const k = (i * 7919 % 10007).toString(36);
        map.set(k, (map.get(k) || 0) + 1);
        set.add(i % 1234);
        array.push((i * 7919) % 100003);
    }
    array.sort((a, b) => a - b);
    const text = JSON.stringify([...map].sort());
    return [map.size, set.size, array[5000], digest(text), JSON.parse(text).length];
}

function expressions() {
    let text = '';
    for (let i = 0; i < 20000; i++)
        text += `${i.toString(16)}@host${i % 7}.example ${i % 5 ? 'x' : '\u00e4'} `;
    return [text.match(/\b[0-9a-f]+7@host[1-3]\.example/g).length, digest(text.replace(/(\w+)@(\w+)/gu, '$2:$1')),
            /^(?:(a+)b|ac)+$/.test('aabacaab'.repeat(50)), text.split(/[\s.]+/).length];
}

function large() {
    let n = 1n;
    for (let i = 2n; i < 500n; i++)
        n *= i;
    return [digest(n), (n / (3n ** 200n)) % 1000000007n, BigInt.asIntN(64, n >> 100n)];
}

function typed() {
    const buffer = new ArrayBuffer(65536), bytes = new Uint8Array(buffer), words = new Float64Array(buffer), view = new DataView(buffer);
    for (let i = 0; i < 400000; i++) {
        bytes[i & 65535] = i * 31;
        if (i % 7 === 0)
            view.setInt32((i * 4) & 65532, i, i % 2 === 0);
    }
    let sum = 0;
    for (const w of words)
        sum += Number.isFinite(w) ? Math.sign(w) : 0;
    return [sum, digest(Buffer.from(buffer).toString('base64'))];
}

function* walk(n) { for (let i = 0; i < n; i++) { try { yield i * i; } finally { sums.left++; } } }
const sums = { left: 0 };
async function steps() {
    let s = 0;
    for (const v of walk(20000))
        s = (s + v) % 1000003;
    for (let i = 0; i < 5000; i++)
        s += await Promise.resolve(i);
    return [s, sums.left];
}

// Code that is made while the program runs, and is garbage soon after.
function made() {
    let s = 0;
    for (let i = 0; i < 300; i++) {
        const f = new Function('n', `let s = ${i}; for (let i = 0; i < n; i++) s = (s * ${i + 3} + i) % 65521; return s;`);
        s += f(400) + f(2000);
    }
    return [s];
}

// Two functions: the sum of i * i for i below the parameter, and the square root of a quotient.
async function assembly() {
    const section = (id, ...bytes) => [id, bytes.length, ...bytes];
    const loop = [1, 2, 0x7f, 0x03, 0x40, 0x20, 2, 0x20, 1, 0x20, 1, 0x6c, 0x6a, 0x21, 2, 0x20, 1, 0x41, 1, 0x6a, 0x22, 1, 0x20, 0, 0x48, 0x0d, 0,
                  0x0b, 0x20, 2, 0x0b];
    const quotient = [0, 0x20, 0, 0x20, 1, 0xa3, 0x9f, 0x0b];
    const code = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...section(1, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 2, 0x7c, 0x7c, 1, 0x7c),
                                 ...section(3, 2, 0, 1), ...section(7, 2, 1, 0x66, 0, 0, 1, 0x67, 0, 1),
                                 ...section(10, 2, loop.length, ...loop, quotient.length, ...quotient)]);
    const out = [];
    for (let i = 0; i < 20; i++) {
        const { instance } = await WebAssembly.instantiate(code);
        out.push(instance.exports.f(20000 + i), instance.exports.g(i, 3));
    }
    return [digest(out)];
}

function faults() {
    let caught = 0;
    const things = [{ a: { b: 1 } }, {}, null];
    for (let i = 0; i < 60000; i++) {
        try {
            caught += things[i % 3].a.b - 1;
        } catch (e) {
            caught++;
        }
    }
    const deep = (n) => 1 + deep(n + 1);
    try {
        deep(0);
    } catch (e) {
        caught += e instanceof RangeError ? 1000000 : 0;
    }
    return [caught];
}

function memory() {
    const tree = (depth) => depth ? { left: tree(depth - 1), right: tree(depth - 1) } : {};
    const count = (t) => t.left ? 1 + count(t.left) + count(t.right) : 1;
    const kept = tree(13);
    let s = 0;
    for (let i = 0; i < 60; i++)
        s += count(tree(11));
    return [s, count(kept)];
}

function threads() {
    const memory = new SharedArrayBuffer(64), shared = new Int32Array(memory);
    return new Promise((done, failed) => {
        let left = 3;
        for (let i = 0; i < 3; i++)
            new Worker(__filename, { workerData: memory }).on('error', failed).on('exit', () => --left || done([...shared.slice(0, 3)]));
    });
}

function worker() {
    const shared = new Int32Array(workerData);
    for (let i = 0; i < 20000; i++) {
        Atomics.add(shared, 0, i);
        if (i % 10)
            continue;
        while (Atomics.compareExchange(shared, 1, 0, 1) !== 0)
            Atomics.wait(shared, 1, 1, 10);
        shared[2]++;
        Atomics.store(shared, 1, 0);
        Atomics.notify(shared, 1);
    }
}

function system() {
    const key = Buffer.alloc(32, 7), iv = Buffer.alloc(16, 9);
    const cipher = crypto.createCipheriv('aes-256-gcm', key, iv);
    fs.writeFileSync('/tmp/node.txt', 'x'.repeat(100000));
    return [cipher.update('text', 'utf8', 'hex') + cipher.final('hex'), crypto.scryptSync('a', 'b', 16, { N: 1024 }).toString('hex'),
            execFileSync('wc', ['-c', '/tmp/node.txt']).toString().trim(), require('zlib').deflateSync(fs.readFileSync('/tmp/node.txt')).length,
            new Intl.NumberFormat('de').format(1234567.891)];
}

async function main() {
    for (const part of [integers, floats, kinds, collections, expressions, large, typed, steps, made, assembly, faults, memory, threads, system])
        console.log(`${part.name}: ${(await part()).join(' ')}`);
}

if (isMainThread)
    main();
else
    worker();
