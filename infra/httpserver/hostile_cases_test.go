package httpserver_test

import "strings"

// hostileCases are requests of the kinds that real servers get from broken and from malicious clients. Where the
// router answers, the whole envelope is compared; what net/http refuses before any handler is plain text.
func hostileCases() []hostileCase {
	return []hostileCase{
		{
			"empty body", request("POST /products", "", asJSON),
			400, `{"success":false,"data":null,"error":"a JSON body is required","code":"malformed"}`,
		},
		{
			"blank body", jsonPost("/products", " \n"),
			400, `{"success":false,"data":null,"error":"a JSON body is required","code":"malformed"}`,
		},
		{
			"not JSON", jsonPost("/products", "name=lamp"),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 1","code":"malformed"}`,
		},
		{
			"cut short", jsonPost("/products", `{"name":"lamp"`),
			400, `{"success":false,"data":null,"error":"the body ends in the middle of the JSON value","code":"malformed"}`,
		},
		{
			"trailing garbage", jsonPost("/products", goodProduct+"x"),
			400, `{"success":false,"data":null,"error":"the body has data after the JSON value","code":"malformed"}`,
		},
		{
			"trailing object", jsonPost("/products", goodProduct+`{"name":"b"}`),
			400, `{"success":false,"data":null,"error":"the body has data after the JSON value","code":"malformed"}`,
		},
		{
			"trailing comma", jsonPost("/products", `{"name":"lamp","price":1,}`),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 24","code":"malformed"}`,
		},
		{
			"duplicate member", jsonPost("/products", `{"name":"a","price":1,"name":"b"}`),
			400, `{"success":false,"data":null,"error":"the body has the member \"name\" twice","code":"malformed"}`,
		},
		{
			"escaped duplicate member", jsonPost("/products", `{"name":"a","price":1,"n\u0061me":"b"}`),
			400, `{"success":false,"data":null,"error":"the body has the member \"name\" twice","code":"malformed"}`,
		},
		{
			"duplicate unknown member", jsonPost("/products", `{"name":"a","price":1,"x":1,"x":2}`),
			400, `{"success":false,"data":null,"error":"the body has the member \"x\" twice","code":"malformed"}`,
		},
		{
			"invalid UTF-8", jsonPost("/products", "{\"name\":\"\xff\",\"price\":1}"),
			400, `{"success":false,"data":null,"error":"the body is not valid UTF-8 at byte 9","code":"malformed"}`,
		},
		{
			"lone surrogate", jsonPost("/products", `{"name":"\ud800","price":1}`),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 9","code":"malformed"}`,
		},
		{
			"byte order mark", jsonPost("/products", "\ufeff"+goodProduct),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 0","code":"malformed"}`,
		},
		{
			"raw control character", jsonPost("/products", "{\"name\":\"a\x01\",\"price\":1}"),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 10","code":"malformed"}`,
		},
		{
			"comment", jsonPost("/products", `{"name":"a",/* */"price":1}`),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 12","code":"malformed"}`,
		},
		{
			"single quotes", jsonPost("/products", `{'name':'a','price':1}`),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 1","code":"malformed"}`,
		},
		{
			"NaN", jsonPost("/products", `{"name":"a","price":NaN}`),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 20","code":"malformed"}`,
		},
		{
			"leading zero", jsonPost("/products", `{"name":"a","price":01}`),
			400, `{"success":false,"data":null,"error":"the body is not valid JSON at byte 21","code":"malformed"}`,
		},
		{
			"deep nesting", jsonPost("/products", `{"name":"a","price":1,"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+"}"),
			400, `{"success":false,"data":null,"error":"the body nests deeper than 100 levels","code":"malformed"}`,
		},
		{
			"very deep nesting cut short", jsonPost("/products", strings.Repeat("[", 2000)),
			400, `{"success":false,"data":null,"error":"the body nests deeper than 100 levels","code":"malformed"}`,
		},
		{
			"NUL character", jsonPost("/products", `{"name":"a\u0000b","price":1}`),
			422, `{"success":false,"data":null,"error":"name must not contain NUL characters","code":"invalid","details":[{"field":"name","rule":"nul","message":"must not contain NUL characters"}]}`,
		},
		{
			"NUL in unknown member", jsonPost("/products", `{"name":"a","price":1,"x":["\u0000"]}`),
			422, `{"success":false,"data":null,"error":"x must not contain NUL characters","code":"invalid","details":[{"field":"x","rule":"nul","message":"must not contain NUL characters"}]}`,
		},
		{
			"NUL in member name", jsonPost("/products", `{"name":"a","price":1,"x\u0000":1}`),
			422, `{"success":false,"data":null,"error":"x\u0000 must not contain NUL characters","code":"invalid","details":[{"field":"x\u0000","rule":"nul","message":"must not contain NUL characters"}]}`,
		},
		{
			"escaped backslash before u0000", jsonPost("/products", `{"name":"a\\u0000","price":1}`),
			201, `{"success":true,"data":{},"error":null}`,
		},
		{
			"null", jsonPost("/products", `{"name":null,"price":1}`),
			422, `{"success":false,"data":null,"error":"name must not be null","code":"invalid","details":[{"field":"name","rule":"null","message":"must not be null"}]}`,
		},
		{
			"null body", jsonPost("/products", `null`),
			422, `{"success":false,"data":null,"error":"body must be a JSON object","code":"invalid","details":[{"field":"body","rule":"type","message":"must be a JSON object"}]}`,
		},
		{
			"array body", jsonPost("/products", `[1]`),
			422, `{"success":false,"data":null,"error":"body must be a JSON object","code":"invalid","details":[{"field":"body","rule":"type","message":"must be a JSON object"}]}`,
		},
		{
			"string body", jsonPost("/products", `"lamp"`),
			422, `{"success":false,"data":null,"error":"body must be a JSON object","code":"invalid","details":[{"field":"body","rule":"type","message":"must be a JSON object"}]}`,
		},
		{
			"wrong types", jsonPost("/products", `{"name":1,"price":"1"}`),
			422, `{"success":false,"data":null,"error":"name must be a string; price must be a number","code":"invalid","details":[{"field":"name","rule":"type","message":"must be a string"},{"field":"price","rule":"type","message":"must be a number"}]}`,
		},
		{
			"object for string", jsonPost("/products", `{"name":{},"price":[]}`),
			422, `{"success":false,"data":null,"error":"name must be a string; price must be a number","code":"invalid","details":[{"field":"name","rule":"type","message":"must be a string"},{"field":"price","rule":"type","message":"must be a number"}]}`,
		},
		{
			"number out of range", jsonPost("/products", `{"name":"a","price":1e999}`),
			422, `{"success":false,"data":null,"error":"price must be a number","code":"invalid","details":[{"field":"price","rule":"type","message":"must be a number"}]}`,
		},
		{
			"all rules together", jsonPost("/products", `{"name":"","price":-1}`),
			422, `{"success":false,"data":null,"error":"name must not be empty; price must be greater than 0","code":"invalid","details":[{"field":"name","rule":"required","message":"must not be empty"},{"field":"price","rule":"gt","message":"must be greater than 0"}]}`,
		},
		{
			"type and rule together", jsonPost("/products", `{"name":5,"price":-1}`),
			422, `{"success":false,"data":null,"error":"name must be a string; price must be greater than 0","code":"invalid","details":[{"field":"name","rule":"type","message":"must be a string"},{"field":"price","rule":"gt","message":"must be greater than 0"}]}`,
		},
		{
			"members missing", jsonPost("/products", `{}`),
			422, `{"success":false,"data":null,"error":"name is required; price is required","code":"invalid","details":[{"field":"name","rule":"required","message":"is required"},{"field":"price","rule":"required","message":"is required"}]}`,
		},
		{
			"case of member names", jsonPost("/products", `{"Name":"a","PRICE":1}`),
			422, `{"success":false,"data":null,"error":"name is required; price is required","code":"invalid","details":[{"field":"name","rule":"required","message":"is required"},{"field":"price","rule":"required","message":"is required"}]}`,
		},
		{
			"name too long", jsonPost("/products", `{"name":"`+strings.Repeat("é", 201)+`","price":1}`),
			422, `{"success":false,"data":null,"error":"name must have at most 200 characters","code":"invalid","details":[{"field":"name","rule":"max","message":"must have at most 200 characters"}]}`,
		},
		{
			"unknown members ignored", jsonPost("/products", `{"name":"a","price":1,"admin":true,"n":null}`),
			201, `{"success":true,"data":{},"error":null}`,
		},
		{
			"unknown member refused", jsonPost("/strict", `{"name":"a","admin":true}`),
			422, `{"success":false,"data":null,"error":"admin is not a known field","code":"invalid","details":[{"field":"admin","rule":"unknown","message":"is not a known field"}]}`,
		},
		{
			"nested mistakes", jsonPost("/trees", `{"items":[{"price":0},{"price":300,"tags":{"a":"b"}},{"price":1.5,"tags":null}]}`),
			422, `{"success":false,"data":null,"error":"items.1.price must be a whole number from -128 to 127; items.1.tags.a must be a whole number of at most 64 bits; items.2.price must be a whole number from -128 to 127; items.2.tags must not be null; items.0.price must be greater than 0","code":"invalid","details":[{"field":"items.1.price","rule":"type","message":"must be a whole number from -128 to 127"},{"field":"items.1.tags.a","rule":"type","message":"must be a whole number of at most 64 bits"},{"field":"items.2.price","rule":"type","message":"must be a whole number from -128 to 127"},{"field":"items.2.tags","rule":"null","message":"must not be null"},{"field":"items.0.price","rule":"gt","message":"must be greater than 0"}]}`,
		},
		{
			"nested wrong shape", jsonPost("/trees", `{"note":null,"items":{"0":{}}}`),
			422, `{"success":false,"data":null,"error":"items must be a list","code":"invalid","details":[{"field":"items","rule":"type","message":"must be a list"}]}`,
		},
		{
			"null item", jsonPost("/trees", `{"items":[null]}`),
			422, `{"success":false,"data":null,"error":"items.0 must not be null","code":"invalid","details":[{"field":"items.0","rule":"null","message":"must not be null"}]}`,
		},
		{
			"too many items", jsonPost("/trees", `{"items":[{"price":1},{"price":1},{"price":1},{"price":1}]}`),
			422, `{"success":false,"data":null,"error":"items must have at most 3 items","code":"invalid","details":[{"field":"items","rule":"max","message":"must have at most 3 items"}]}`,
		},
		{
			"integer with exponent", jsonPost("/trees", `{"items":[{"price":1e1}]}`),
			422, `{"success":false,"data":null,"error":"items.0.price must be a whole number from -128 to 127","code":"invalid","details":[{"field":"items.0.price","rule":"type","message":"must be a whole number from -128 to 127"}]}`,
		},
		{
			"patch null clears", request("PATCH /products/1", `{"name":null}`, asJSON),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"patch null refused", request("PATCH /products/1", `{"price":null}`, asJSON),
			422, `{"success":false,"data":null,"error":"price must not be null","code":"invalid","details":[{"field":"price","rule":"null","message":"must not be null"}]}`,
		},
		{
			"patch empty name", request("PATCH /products/1", `{"name":""}`, asJSON),
			422, `{"success":false,"data":null,"error":"name must have at least 1 character","code":"invalid","details":[{"field":"name","rule":"min","message":"must have at least 1 character"}]}`,
		},
		{
			"patch nothing", request("PATCH /products/1", `{}`, "Content-Type: application/merge-patch+json"),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"patch id from body", request("PATCH /products/1", `{"id":"x","ID":"x"}`, asJSON),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"patch bad id and body", request("PATCH /products/x", `{"price":0}`, asJSON),
			422, `{"success":false,"data":null,"error":"id must be a whole number; price must be greater than 0","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"},{"field":"price","rule":"gt","message":"must be greater than 0"}]}`,
		},
		{
			"no content type", request("POST /products", goodProduct),
			415, `{"success":false,"data":null,"error":"the body needs a Content-Type","code":"unsupported_type"}`,
		},
		{
			"text body", request("POST /products", goodProduct, "Content-Type: text/plain"),
			415, `{"success":false,"data":null,"error":"the body must be application/json","code":"unsupported_type"}`,
		},
		{
			"form for JSON", request("POST /products", "name=a&price=1", asForm),
			415, `{"success":false,"data":null,"error":"the body must be application/json","code":"unsupported_type"}`,
		},
		{
			"merge patch on POST", request("POST /products", goodProduct, "Content-Type: application/merge-patch+json"),
			415, `{"success":false,"data":null,"error":"the body must be application/json","code":"unsupported_type"}`,
		},
		{
			"other charset", request("POST /products", goodProduct, "Content-Type: application/json; charset=utf-16"),
			415, `{"success":false,"data":null,"error":"the charset must be utf-8","code":"unsupported_type"}`,
		},
		{
			"utf-8 charset", request("POST /products", goodProduct, "Content-Type: Application/JSON; Charset=UTF-8"),
			201, `{"success":true,"data":{},"error":null}`,
		},
		{
			"malformed content type", request("POST /products", goodProduct, "Content-Type: application/json; ="),
			415, `{"success":false,"data":null,"error":"the Content-Type is malformed","code":"unsupported_type"}`,
		},
		{
			"two content types", request("POST /products", goodProduct, asJSON, "Content-Type: text/plain"),
			415, `{"success":false,"data":null,"error":"the body has more than one Content-Type","code":"unsupported_type"}`,
		},
		{
			"compressed body", request("POST /products", goodProduct, asJSON, "Content-Encoding: gzip"),
			415, `{"success":false,"data":null,"error":"the body must not have a content encoding","code":"unsupported_type"}`,
		},
		{
			"identity encoding", request("POST /products", goodProduct, asJSON, "Content-Encoding: identity"),
			201, `{"success":true,"data":{},"error":null}`,
		},
		{
			"body on GET", request("GET /products", goodProduct, asJSON),
			415, `{"success":false,"data":null,"error":"this endpoint takes no body","code":"unsupported_type"}`,
		},
		{
			"body on DELETE", request("DELETE /products/1", goodProduct, asJSON),
			415, `{"success":false,"data":null,"error":"this endpoint takes no body","code":"unsupported_type"}`,
		},
		{
			"chunked body on DELETE", strings.Replace(chunked("/products/1", goodProduct, asJSON), "POST", "DELETE", 1),
			415, `{"success":false,"data":null,"error":"this endpoint takes no body","code":"unsupported_type"}`,
		},
		{
			"empty chunked body on DELETE", request("DELETE /products/1", "0\r\n\r\n", "Transfer-Encoding: chunked"),
			204, "",
		},
		{
			"declared too large", request("POST /products", "{", asJSON, "Content-Length: 4097"),
			413, `{"success":false,"data":null,"error":"the body is larger than 4096 bytes","code":"too_large"}`,
		},
		{
			"absurd length", request("POST /products", "{", asJSON, "Content-Length: 999999999999999"),
			413, `{"success":false,"data":null,"error":"the body is larger than 4096 bytes","code":"too_large"}`,
		},
		{
			"chunked too large", chunked("/products", strings.Repeat(" ", 4097), asJSON),
			413, `{"success":false,"data":null,"error":"the body is larger than 4096 bytes","code":"too_large"}`,
		},
		{
			"chunked", chunked("/products", goodProduct, asJSON),
			201, `{"success":true,"data":{},"error":null}`,
		},
		{
			"chunked and length", request("POST /products", "19\r\n"+goodProduct+"\r\n0\r\n\r\n", asJSON, "Content-Length: 3", "Transfer-Encoding: chunked"),
			201, `{"success":true,"data":{},"error":null}`,
		},
		{
			"bad chunk", request("POST /products", "zz\r\n", asJSON, "Transfer-Encoding: chunked"),
			400, `{"success":false,"data":null,"error":"the body could not be read","code":"malformed"}`,
		},
		{
			"body that never arrives", request("POST /products", "{", asJSON, "Content-Length: 20"),
			408, `{"success":false,"data":null,"error":"the body did not arrive in time","code":"timeout"}`,
		},
		{
			"guard before body", request("POST /guarded", "{", asJSON, "Content-Length: 2000"),
			401, `{"success":false,"data":null,"error":"who are you?","code":"unauthorized"}`,
		},
		{
			"guard before size", request("POST /guarded", "{", asJSON, "Content-Length: 999999"),
			401, `{"success":false,"data":null,"error":"who are you?","code":"unauthorized"}`,
		},
		{
			"unknown transfer encoding", request("POST /products", goodProduct, asJSON, "Transfer-Encoding: gzip"),
			501, `Unsupported transfer encoding`,
		},
		{
			"two lengths", request("POST /products", goodProduct, asJSON, "Content-Length: 25", "Content-Length: 26"),
			400, `400 Bad Request`,
		},
		{
			"negative length", request("POST /products", goodProduct, asJSON, "Content-Length: -1"),
			400, `400 Bad Request`,
		},
		{
			"signed length", request("POST /products", goodProduct, asJSON, "Content-Length: +25"),
			400, `400 Bad Request`,
		},
		{
			"raw declared too large", request("POST /raw", "{", "Content-Length: 4097"),
			413, `{"success":false,"data":null,"error":"the body is larger than 4096 bytes","code":"too_large"}`,
		},
		{
			"raw chunked too large", chunked("/raw", strings.Repeat(" ", 8192)),
			413, "",
		},
		{
			"head too large", request("GET /products", "", "X-Big: "+strings.Repeat("a", 10000)),
			431, `431 Request Header Fields Too Large`,
		},
		{
			"no host", "GET /products HTTP/1.1\r\n\r\n",
			400, `400 Bad Request: missing required Host header`,
		},
		{
			"two hosts", "GET /products HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
			400, `400 Bad Request`,
		},
		{
			"future protocol", "GET /products HTTP/3.0\r\nHost: a\r\n\r\n",
			505, `505 HTTP Version Not Supported: unsupported protocol version`,
		},
		{
			"not HTTP", "HELLO\r\n\r\n",
			400, `400 Bad Request`,
		},
		{
			"space in header name", request("GET /products", "", "X Y: 1"),
			400, `400 Bad Request: invalid header name`,
		},
		{
			"control character in header", request("GET /products", "", "X-Y: a\x00b"),
			400, `400 Bad Request`,
		},
		{
			"no such path", request("GET /nothing", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"trailing slash", request("GET /products/", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"double slash", request("GET //products", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"dot segments", request("GET /products/../livez", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"encoded dot segments", request("GET /products/%2e%2e", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"encoded slash", request("GET /products/1%2F2", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"encoded slash in place of a slash", request("GET /products%2F1", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"encoded slash at the end", request("GET /products/1%2F", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"encoded slash in a name", request("GET /names/a%2Forders", ""),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"slash encoded twice", request("GET /products%252F1", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"letters encoded without need", request("GET /%70roducts/%31", ""),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"cut path escape", request("GET /products/%2", ""),
			400, `400 Bad Request`,
		},
		{
			"other case", request("GET /Products", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"bad path escape", request("GET /products/%zz", ""),
			400, `400 Bad Request`,
		},
		{
			"NUL in path", request("GET /names/a%00b", ""),
			422, `{"success":false,"data":null,"error":"name must not contain NUL characters","code":"invalid","details":[{"field":"name","rule":"nul","message":"must not contain NUL characters"}]}`,
		},
		{
			"invalid UTF-8 in path", request("GET /names/%ff", ""),
			422, `{"success":false,"data":null,"error":"name must be valid UTF-8","code":"invalid","details":[{"field":"name","rule":"type","message":"must be valid UTF-8"}]}`,
		},
		{
			"long path", request("GET /names/"+strings.Repeat("a", 3000), ""),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"asterisk", request("GET *", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"absolute URI", request("GET http://evil.example/products/1", ""),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"id with sign", request("GET /products/+1", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"id with minus zero", request("GET /products/-0", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"id with leading zero", request("GET /products/007", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"id with spaces", request("GET /products/%201", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"id in hex", request("GET /products/0x10", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"id with exponent", request("GET /products/1e3", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"id out of range", request("GET /products/9223372036854775808", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number of at most 64 bits","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number of at most 64 bits"}]}`,
		},
		{
			"id of other digits", request("GET /products/%D9%A1", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"id with SQL", request("GET /products/1%20OR%201=1", ""),
			422, `{"success":false,"data":null,"error":"id must be a whole number","code":"invalid","details":[{"field":"id","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"method not allowed", request("DELETE /products", ""),
			405, `{"success":false,"data":null,"error":"this path does not take the method; see the Allow header","code":"method_not_allowed"}`,
		},
		{
			"invented method", request("BREW /products", ""),
			405, `{"success":false,"data":null,"error":"this path does not take the method; see the Allow header","code":"method_not_allowed"}`,
		},
		{
			"lower case method", request("get /products", ""),
			405, `{"success":false,"data":null,"error":"this path does not take the method; see the Allow header","code":"method_not_allowed"}`,
		},
		{
			"CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"TRACE", request("TRACE /products", ""),
			405, `{"success":false,"data":null,"error":"this path does not take the method; see the Allow header","code":"method_not_allowed"}`,
		},
		{
			"OPTIONS", request("OPTIONS /products", ""),
			204, "",
		},
		{
			"OPTIONS of nothing", request("OPTIONS /nothing", ""),
			404, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`,
		},
		{
			"OPTIONS asterisk", request("OPTIONS *", ""),
			204, "",
		},
		{
			"HEAD", request("HEAD /products/1", ""),
			200, "",
		},
		{
			"HEAD of a failure", request("HEAD /products/x", ""),
			422, "",
		},
		{
			"HEAD without GET", request("HEAD /forms", ""),
			405, "",
		},
		{
			"method override ignored", request("GET /products/1", "", "X-HTTP-Method-Override: DELETE"),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"bad query escape", request("GET /products?q=%zz", ""),
			400, `{"success":false,"data":null,"error":"the query has an invalid escape","code":"malformed"}`,
		},
		{
			"cut query escape", request("GET /products?q=%4", ""),
			400, `{"success":false,"data":null,"error":"the query has an invalid escape","code":"malformed"}`,
		},
		{
			"semicolons", request("GET /products?limit=1;offset=2", ""),
			400, `{"success":false,"data":null,"error":"the query has a semicolon; separate parameters with &","code":"malformed"}`,
		},
		{
			"invalid UTF-8 in query", request("GET /products?q=%ff", ""),
			400, `{"success":false,"data":null,"error":"the query has an invalid escape","code":"malformed"}`,
		},
		{
			"NUL in query", request("GET /products?q=%00", ""),
			422, `{"success":false,"data":null,"error":"q must not contain NUL characters","code":"invalid","details":[{"field":"q","rule":"nul","message":"must not contain NUL characters"}]}`,
		},
		{
			"NUL in unknown parameter", request("GET /products?x=%00", ""),
			400, `{"success":false,"data":null,"error":"the query has a NUL character","code":"malformed"}`,
		},
		{
			"malformed query nobody reads", request("GET /products/1?%", ""),
			400, `{"success":false,"data":null,"error":"the query has an invalid escape","code":"malformed"}`,
		},
		{
			"parameter twice", request("GET /products?limit=1&limit=2", ""),
			422, `{"success":false,"data":null,"error":"limit must be given once","code":"invalid","details":[{"field":"limit","rule":"single","message":"must be given once"}]}`,
		},
		{
			"too many parameters", request("GET /products?"+strings.Repeat("a&", 300), ""),
			400, `{"success":false,"data":null,"error":"the query has more than 256 parameters","code":"malformed"}`,
		},
		{
			"limit too large", request("GET /products?limit=101&offset=-1", ""),
			422, `{"success":false,"data":null,"error":"limit must be at most 100; offset must be at least 0","code":"invalid","details":[{"field":"limit","rule":"max","message":"must be at most 100"},{"field":"offset","rule":"min","message":"must be at least 0"}]}`,
		},
		{
			"limit not a number", request("GET /products?limit=ten", ""),
			422, `{"success":false,"data":null,"error":"limit must be a whole number","code":"invalid","details":[{"field":"limit","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"limit empty", request("GET /products?limit=", ""),
			422, `{"success":false,"data":null,"error":"limit must be a whole number","code":"invalid","details":[{"field":"limit","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"limit overflows", request("GET /products?limit=99999999999999999999", ""),
			422, `{"success":false,"data":null,"error":"limit must be a whole number of at most 64 bits","code":"invalid","details":[{"field":"limit","rule":"type","message":"must be a whole number of at most 64 bits"}]}`,
		},
		{
			"q too long", request("GET /products?q=123456", ""),
			422, `{"success":false,"data":null,"error":"q must have at most 5 characters","code":"invalid","details":[{"field":"q","rule":"max","message":"must have at most 5 characters"}]}`,
		},
		{
			"sort not allowed", request("GET /products?sort=password", ""),
			422, `{"success":false,"data":null,"error":"sort must be one of name, -name","code":"invalid","details":[{"field":"sort","rule":"oneof","message":"must be one of name, -name"}]}`,
		},
		{
			"item of a list", request("GET /products?id=1&id=256&id=-1", ""),
			422, `{"success":false,"data":null,"error":"id.1 must be a whole number from 0 to 255; id.2 must be a whole number from 0 to 255","code":"invalid","details":[{"field":"id.1","rule":"type","message":"must be a whole number from 0 to 255"},{"field":"id.2","rule":"type","message":"must be a whole number from 0 to 255"}]}`,
		},
		{
			"boolean", request("GET /products?active=1", ""),
			422, `{"success":false,"data":null,"error":"active must be true or false","code":"invalid","details":[{"field":"active","rule":"type","message":"must be true or false"}]}`,
		},
		{
			"infinite number", request("GET /products?ratio=inf", ""),
			422, `{"success":false,"data":null,"error":"ratio must be a number","code":"invalid","details":[{"field":"ratio","rule":"type","message":"must be a number"}]}`,
		},
		{
			"hex number", request("GET /products?ratio=0x1p-2", ""),
			422, `{"success":false,"data":null,"error":"ratio must be a number","code":"invalid","details":[{"field":"ratio","rule":"type","message":"must be a number"}]}`,
		},
		{
			"bad time", request("GET /products?from=2024-02-30T00:00:00Z", ""),
			422, `{"success":false,"data":null,"error":"from must be a time such as 2006-01-02T15:04:05Z","code":"invalid","details":[{"field":"from","rule":"type","message":"must be a time such as 2006-01-02T15:04:05Z"}]}`,
		},
		{
			"unknown parameter ignored", request("GET /products?admin=true&=x&&", ""),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"unknown parameter refused", request("GET /strict?admin=true", ""),
			422, `{"success":false,"data":null,"error":"admin is not a known parameter","code":"invalid","details":[{"field":"admin","rule":"unknown","message":"is not a known parameter"}]}`,
		},
		{
			"bracket names", request("GET /products?limit%5B%5D=1&q%5Ba%5D=b", ""),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"header not a number", request("GET /products", "", "X-Count: -1"),
			422, `{"success":false,"data":null,"error":"X-Count must be a whole number of 0 or more, of at most 64 bits","code":"invalid","details":[{"field":"X-Count","rule":"type","message":"must be a whole number of 0 or more, of at most 64 bits"}]}`,
		},
		{
			"header twice", request("GET /products", "", "X-Count: 1", "X-Count: 2"),
			422, `{"success":false,"data":null,"error":"X-Count must be given once","code":"invalid","details":[{"field":"X-Count","rule":"single","message":"must be given once"}]}`,
		},
		{
			"forged request id", request("GET /products/1", "", "X-Request-ID: a b<script>"),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"forged trace", request("GET /products/1", "", "Traceparent: 00-zz"),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"form", request("POST /forms", "name=a&n=1", asForm),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"form without a field", request("POST /forms", "n=1", asForm),
			422, `{"success":false,"data":null,"error":"name is required","code":"invalid","details":[{"field":"name","rule":"required","message":"is required"}]}`,
		},
		{
			"form with bad number", request("POST /forms", "name=a&n=1.0", asForm),
			422, `{"success":false,"data":null,"error":"n must be a whole number","code":"invalid","details":[{"field":"n","rule":"type","message":"must be a whole number"}]}`,
		},
		{
			"form with bad escape", request("POST /forms", "name=%zz", asForm),
			400, `{"success":false,"data":null,"error":"the form has an invalid escape","code":"malformed"}`,
		},
		{
			"JSON for a form", request("POST /forms", `{"name":"a"}`, asJSON),
			415, `{"success":false,"data":null,"error":"the body must be application/x-www-form-urlencoded or multipart/form-data","code":"unsupported_type"}`,
		},
		{
			"query instead of form", request("POST /forms?name=a", ""),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"query beside form", request("POST /forms?name=a", "n=1", asForm),
			422, `{"success":false,"data":null,"error":"name is required","code":"invalid","details":[{"field":"name","rule":"required","message":"is required"}]}`,
		},
		{
			"upload", request("POST /uploads", multipartBody(titlePart, imagePart), asMultipart),
			200, `{"success":true,"data":{},"error":null}`,
		},
		{
			"upload without file", request("POST /uploads", multipartBody(titlePart), asMultipart),
			422, `{"success":false,"data":null,"error":"image is required","code":"invalid","details":[{"field":"image","rule":"required","message":"is required"}]}`,
		},
		{
			"upload of text as file", request("POST /uploads", multipartBody(titlePart, "Content-Disposition: form-data; name=\"image\"\r\n\r\nx"), asMultipart),
			422, `{"success":false,"data":null,"error":"image must be a file","code":"invalid","details":[{"field":"image","rule":"type","message":"must be a file"}]}`,
		},
		{
			"upload of two files", request("POST /uploads", multipartBody(titlePart, imagePart, imagePart), asMultipart),
			422, `{"success":false,"data":null,"error":"image must be given once","code":"invalid","details":[{"field":"image","rule":"single","message":"must be given once"}]}`,
		},
		{
			"upload of file as text", request("POST /uploads", multipartBody("Content-Disposition: form-data; name=\"title\"; filename=\"x\"\r\n\r\nx", imagePart), asMultipart),
			422, `{"success":false,"data":null,"error":"title must not be a file","code":"invalid","details":[{"field":"title","rule":"type","message":"must not be a file"}]}`,
		},
		{
			"upload cut short", request("POST /uploads", "--B\r\n"+titlePart, asMultipart),
			400, `{"success":false,"data":null,"error":"the multipart body is malformed","code":"malformed"}`,
		},
		{
			"upload without boundary", request("POST /uploads", multipartBody(titlePart), "Content-Type: multipart/form-data"),
			415, `{"success":false,"data":null,"error":"the multipart body needs a boundary","code":"unsupported_type"}`,
		},
		{
			"upload of unnamed part", request("POST /uploads", multipartBody("Content-Disposition: form-data\r\n\r\nx"), asMultipart),
			400, `{"success":false,"data":null,"error":"a part of the multipart body has no usable name","code":"malformed"}`,
		},
		{
			"upload of bare parts", request("POST /uploads", multipartBody(strings.Split(strings.Repeat("\r\n,", 260), ",")...), asMultipart),
			400, `{"success":false,"data":null,"error":"a part of the multipart body has no usable name","code":"malformed"}`,
		},
		{
			"URL-encoded upload", request("POST /uploads", "title=a&image=b", asForm),
			415, `{"success":false,"data":null,"error":"the body must be multipart/form-data","code":"unsupported_type"}`,
		},
		{
			"panic", request("GET /panic", ""),
			500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`,
		},
		{
			"goroutine exit", request("GET /exit", ""),
			500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`,
		},
	}
}
