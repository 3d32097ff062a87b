-- Programs that interpreters are measured by, small.

local function tree(depth)
    if depth == 0 then return {} end
    return { tree(depth - 1), tree(depth - 1) }
end
local function count(node) return node[1] and 1 + count(node[1]) + count(node[2]) or 1 end

local function binary_trees(most)
    local long_lived = tree(most)
    for depth = 4, most, 2 do
        local sum, rounds = 0, 1 << (most - depth + 4)
        for _ = 1, rounds do sum = sum + count(tree(depth)) end
        print("trees", rounds, depth, sum)
    end
    print("long lived", count(long_lived), collectgarbage("count") > 0)
end

local function n_body(steps)
    local bodies, speed, dt = {}, 365.24, 0.01
    for index, row in ipairs {
        { 0, 0, 0, 0, 0, 0, 39.5 }, { 4.8, -1.2, -0.1, 0.0017, 0.0077, -0.00007, 0.038 },
        { 8.3, 4.1, -0.4, -0.0028, 0.005, 0.00002, 0.011 }, { 12.9, -15.1, -0.2, 0.003, 0.0024, -0.00003, 0.0017 },
    } do
        local x, y, z, vx, vy, vz, mass = table.unpack(row)
        bodies[index] = { x = x, y = y, z = z, vx = vx * speed, vy = vy * speed, vz = vz * speed, mass = mass }
    end
    for _ = 1, steps do
        for i, a in ipairs(bodies) do
            for j = i + 1, #bodies do
                local b = bodies[j]
                local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
                local square = dx * dx + dy * dy + dz * dz
                local force = dt / (square * square ^ 0.5)
                a.vx, a.vy, a.vz = a.vx - dx * b.mass * force, a.vy - dy * b.mass * force, a.vz - dz * b.mass * force
                b.vx, b.vy, b.vz = b.vx + dx * a.mass * force, b.vy + dy * a.mass * force, b.vz + dz * a.mass * force
            end
        end
        for _, body in ipairs(bodies) do
            body.x, body.y, body.z = body.x + dt * body.vx, body.y + dt * body.vy, body.z + dt * body.vz
        end
    end
    local energy = 0
    for _, body in ipairs(bodies) do energy = energy + 0.5 * body.mass * (body.vx ^ 2 + body.vy ^ 2 + body.vz ^ 2) end
    print(string.format("bodies %.9f %.9f", energy, bodies[2].x))
end

local function spectral_norm(size)
    local function element(i, j) return 1 / ((i + j) * (i + j + 1) // 2 + i + 1) end
    local function times(v, transposed)
        local product = {}
        for i = 0, size - 1 do
            local sum = 0
            for j = 0, size - 1 do sum = sum + (transposed and element(j, i) or element(i, j)) * v[j] end
            product[i] = sum
        end
        return product
    end
    local u, v = {}, nil
    for i = 0, size - 1 do u[i] = 1 end
    for _ = 1, 10 do
        v = times(times(u), true)
        u = times(times(v), true)
    end
    local uv, vv = 0, 0
    for i = 0, size - 1 do uv, vv = uv + u[i] * v[i], vv + v[i] * v[i] end
    print(string.format("norm %.9f", (uv / vv) ^ 0.5))
end

local function fannkuch(size)
    local order, turns, most, sum, sign, counts = {}, {}, 0, 0, 1, {}
    for i = 1, size do order[i], counts[i] = i, i end
    while true do
        local first = order[1]
        if first ~= 1 then
            for i = 1, size do turns[i] = order[i] end
            local flips = 0
            repeat
                for i = 1, first // 2 do turns[i], turns[first + 1 - i] = turns[first + 1 - i], turns[i] end
                flips, first = flips + 1, turns[1]
            until first == 1
            most, sum = math.max(most, flips), sum + sign * flips
        end
        if sign == 1 then
            order[1], order[2], sign = order[2], order[1], -1
        else
            order[2], order[3], sign = order[3], order[2], 1
            for i = 3, size do
                if counts[i] ~= 1 then
                    counts[i] = counts[i] - 1
                    break
                end
                if i == size then
                    print("flips", sum, most)
                    return
                end
                counts[i] = i
                table.insert(order, i + 1, table.remove(order, 1))
            end
        end
    end
end

local function strings(rounds)
    local words = {}
    for i = 1, rounds do words[i] = ("%x-%s"):format(i * 7919 % 65537, ("ab"):rep(i % 5)) end
    local text = table.concat(words, " ")
    local found, letters = 0, {}
    for word in text:gmatch("%x+%-[ab]*") do found = found + #word end
    for letter in text:gmatch(".") do letters[letter] = (letters[letter] or 0) + 1 end
    local changed, times = text:gsub("(%x+)%-(a?b?)", "%2:%1")
    table.sort(words)
    print("strings", #text, found, letters.a, letters["-"], times, #changed, words[1], words[#words], text:find("fff", 1, true))
    print("bytes", string.pack("<i4 z s2", 77, "zero", "counted"):byte(1, -1))
end

binary_trees(9)
n_body(3000)
spectral_norm(40)
fannkuch(7)
strings(4000)
