-- Tables, strings, closures, and some floating point.
local words = {}
for i = 1, 3000 do words[i] = ("%d:%s"):format(i * 7919 % 3001, ("x"):rep(i % 17)) end
table.sort(words)
local counts = {}
for word in table.concat(words, " "):gmatch("%d+") do
  local key = #word
  counts[key] = (counts[key] or 0) + 1
end
local function compose(f, g) return function(x) return f(g(x)) end end
local f = function(x) return x * 1.0001 end
for _ = 1, 12 do f = compose(f, math.sqrt) end
local sum = 0
for i = 1, 2000 do sum = sum + f(i) end
print(counts[1], counts[4], string.format("%.6f", sum))
