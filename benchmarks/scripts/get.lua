-- GET of one path. Argument: path.

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "result.lua")

function init(args)
  wrk.path = args[1]
  prepared = wrk.format("GET")
end

function request()
  return prepared
end
