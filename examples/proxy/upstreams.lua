-- proxy/upstreams.lua: where proxy.lua sends its clients. Edit it and reload; nobody is cut off.
return { "127.0.0.1:9001", "127.0.0.1:9002" }
