-- SPDX-License-Identifier: BSD-2-Clause-Patent
-- Traces that LuaJIT compiles, leaves and compiles again; a line for each part; no times.
local bit, ffi = require("bit"), require("ffi")

local function part(name, ...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = tostring(select(i, ...))
    end
    print(name .. ": " .. table.concat(words, " "))
end

part("compiler", jit.arch, (jit.status()))

local x, s = 123456789, 0
for i = 1, 5000000 do
    x = bit.bxor(x, bit.lshift(x, 13))
    x = bit.bxor(x, bit.rshift(x, 17))
    x = bit.bxor(x, bit.lshift(x, 5))
    s = (s + x % 1013 + i) % 16777213
end
part("integers", x, s)

local f = 0
for i = 1, 2000000 do
    f = f + math.sqrt(i) * (i % 3 == 0 and 1.5 or -0.5) / (i + 0.25)
end
part("floats", string.format("%.17g", f), 0 / 0 == 0 / 0, 1 / -0, math.floor(-2.5), 2 ^ 0.5 == math.sqrt(2), 7 % -3)

local things = { 1, "2", 3.5, true, {}, function() end }
local kinds = {}
for i = 1, 300000 do
    local k = type(things[i % #things + 1])
    kinds[k] = (kinds[k] or 0) + 1
end
part("kinds", kinds.number, kinds.string, kinds.boolean, kinds.table, kinds["function"])

local words = {}
for i = 1, 30000 do
    words[i] = string.format("%d:%x:%.3f", i, i * 7919 % 10007, i / 7)
end
table.sort(words)
local text = table.concat(words, ",")
part("strings", #text, words[777], select(2, text:gsub("(%d)%.(%d)", "%2,%1")), text:sub(1000, 1040))

ffi.cdef([[typedef struct { int32_t a; double b; uint64_t c; } record; int abs(int); size_t strlen(const char *);]])
local records = ffi.new("record[?]", 1000)
for i = 0, 999999 do
    local r = records[i % 1000]
    r.a = r.a + i
    r.b = r.b * 0.5 + i
    r.c = r.c * 31ULL + i
end
part("records", records[7].a, string.format("%.17g", records[7].b), records[999].c, ffi.C.abs(-5), tonumber(ffi.C.strlen("four")))

local caught = 0
for i = 1, 20000 do
    local ok = pcall(function()
        if i % 3 == 0 then
            error({ code = i })
        end
        return things[i % 9 + 1].field
    end)
    caught = caught + (ok and 0 or 1)
end
part("errors", caught)

local turns = 0
local function generator(n)
    return coroutine.wrap(function()
        for i = 1, n do
            coroutine.yield(i)
        end
    end)
end
for _ = 1, 200 do
    for v in generator(100) do
        turns = turns + v
    end
end
part("coroutines", turns)
