-- Count the primes up to a number by the sieve of Eratosthenes.
local most = tonumber(arg[1]) or 1000
local composite, count = {}, 0
for number = 2, most do
    if not composite[number] then
        count = count + 1
        for multiple = number * number, most, number do
            composite[multiple] = true
        end
    end
end
print(count .. " primes up to " .. most)
