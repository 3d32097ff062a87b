-- Work for an interpreter: calls, tables, strings, floating point, garbage, coroutines, errors. Prints results only, no times.

local function fibonacci(n) if n < 2 then return n end return fibonacci(n - 1) + fibonacci(n - 2) end
print("fibonacci", fibonacci(24))

local function queens(size)
  local columns, rising, falling, count = {}, {}, {}, 0
  local function place(row)
    if row > size then count = count + 1 return end
    for column = 1, size do
      local up, down = row + column, row - column + size
      if not (columns[column] or rising[up] or falling[down]) then
        columns[column], rising[up], falling[down] = true, true, true
        place(row + 1)
        columns[column], rising[up], falling[down] = false, false, false
      end
    end
  end
  place(1)
  return count
end
print("queens", queens(7))

local function sieve(limit)
  local composite, count = {}, 0
  for number = 2, limit do
    if not composite[number] then
      count = count + 1
      for multiple = number * number, limit, number do composite[multiple] = true end
    end
  end
  return count
end
print("primes", sieve(60000))

local inside = 0
for y = -1.2, 1.2, 0.08 do
  for x = -2.0, 0.6, 0.08 do
    local real, imaginary, step = 0.0, 0.0, 0
    while real * real + imaginary * imaginary < 4 and step < 60 do
      real, imaginary, step = real * real - imaginary * imaginary + x, 2 * real * imaginary + y, step + 1
    end
    inside = inside + step
  end
end
print("mandelbrot", inside)

local seed = 42
local function random() seed = (seed * 1103515245 + 12345) % 2147483648 return seed end
local list = {}
for index = 1, 8000 do list[index] = random() end
table.sort(list)
print("sorted", list[1], list[4000], list[8000])

local words = {}
for word in string.gmatch(string.rep("the quick brown fox jumps over the lazy dog ", 400), "%a+") do words[word] = (words[word] or 0) + 1 end
local keys = {}
for key in pairs(words) do keys[#keys + 1] = key end
table.sort(keys)
for _, key in ipairs(keys) do io.write(key, "=", words[key], " ") end
print()

local garbage = {}
for round = 1, 60 do
  for index = 1, 500 do garbage[index] = { round, tostring(index), string.rep("x", index) } end
end
collectgarbage()
print("garbage", #garbage, garbage[500][1], #garbage[500][3])

local generator = coroutine.wrap(function() for index = 1, 1000 do coroutine.yield(index * index) end end)
local sum = 0
for _ = 1, 1000 do sum = sum + generator() end
print("coroutines", sum)

print("error", select(2, pcall(function() error({ code = 7 }) end)).code)
print("format", string.format("%5.2f|%-8s|%08x|%q", 3.14159, "left", 48879, "a\nb"))
print("integers", 7 // 2, -7 // 2, 7 % -3, 1 << 62, math.maxinteger + 1 == math.mininteger)

local file = assert(io.open("benchmark-file", "w"))
for index = 1, 2000 do file:write(index, " ", index * index, "\n") end
file:close()
local total = 0
for line in io.lines("benchmark-file") do total = total + tonumber((line:match("(%d+)$"))) end
os.remove("benchmark-file")
print("file", total, io.open("benchmark-file"))
for line in io.lines() do io.write("[", line, "]") end
print()
os.exit(7)
