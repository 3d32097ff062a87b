-- Fibonacci numbers the slow way, and how long it took.
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
local n = tonumber(arg[1]) or 20
local start = os.clock()
io.write("fib(", n, ") = ", fib(n), "\n")
io.stderr:write(string.format("%.3f s\n", os.clock() - start))
