-- GET of KV keys in turn. Arguments: prefix, how many keys there are.

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "result.lua")

function init(args)
  prepared = {}
  for number = 0, tonumber(args[2]) - 1 do
    prepared[number + 1] = wrk.format("GET", "/v1/kv/" .. args[1] .. number)
  end
  turn = 0
end

function request()
  turn = turn % #prepared + 1
  return prepared[turn]
end
