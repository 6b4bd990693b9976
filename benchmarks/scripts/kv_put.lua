-- PUT of KV keys in turn, every value different. Arguments: prefix, how many keys, mark of this round.

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "result.lua")

function init(args)
  prefix, keys, mark = "/v1/kv/" .. args[1], tonumber(args[2]), args[3]
  padding = string.rep("x", 128)
  count = 0
end

function request()
  count = count + 1
  local value = (mark .. " " .. count .. " " .. padding):sub(1, 128)
  return wrk.format("PUT", prefix .. (count % keys), nil, value)
end
