-- PUT /v1/catalog/register, every node and service instance different. Arguments: mark of this round, how many
-- service names the instances are spread over.

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "result.lua")

function init(args)
  mark, names = args[1], tonumber(args[2])
  count = 0
end

function request()
  count = count + 1
  local name = mark .. "-" .. count
  local address = "127." .. (2 + math.floor(count / 65536)) .. "." .. (math.floor(count / 256) % 256) .. "." .. (count % 256)
  local body = string.format(
    '{"Node":"%s","Address":"%s","Service":{"ID":"%s","Service":"bench-%d","Port":80}}',
    name, address, name, count % names)
  return wrk.format("PUT", "/v1/catalog/register", nil, body)
end
