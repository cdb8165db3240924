package attack

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// webRows are attacks on the page and the API. The gateway's one user is an admin there.
var webRows = []row{
	{name: "http-slowloris", what: "500 connections that send a byte of their header now and then", run: (*attacker).slowloris},
	{name: "http-headers", what: "headers of 1 MB, and a thousand of them", run: (*attacker).bigHeaders},
	{name: "http-bodies", what: "bodies of 100 MB, announced and endless", run: (*attacker).bigBodies},
	{name: "http-sse", what: "1,000 event streams, never read", run: (*attacker).streams},
	{name: "http-logins", what: "wrong passwords, short and long, from many addresses", run: (*attacker).loginFlood, login: true},
	{name: "http-forgeries", what: "traversal, foreign Host, foreign pages, forms, forged loopback", run: (*attacker).forgeries},
	{name: "http-strangers", what: "every route of the document without a login", run: (*attacker).strangers},
	{name: "http-history", what: "the longest answers there are, read slowly", run: (*attacker).longAnswers},
	{name: "http-garbage", what: "connections that speak something else, as fast as it goes", run: (*attacker).garbage},
}

const api = "/api/v1"

// request sends raw text and returns the status code and the body; 0: there was no answer.
func (a *attacker) request(text string) (code int, body string) { return a.requestFrom(1, text) }

// requestFrom comes from another address of this machine.
func (a *attacker) requestFrom(host byte, text string) (code int, body string) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, host)}, Timeout: 5 * time.Second}
	nc, err := d.Dial("tcp", a.page)
	if err != nil {
		return 0, ""
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second)) // a fault shows at the Read
	if _, err := io.WriteString(nc, text); err != nil {
		return 0, ""
	}
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return 0, ""
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // half an answer is an answer
	return r.StatusCode, string(b)
}

// expect is a fault unless the answer has one of the codes. Beyond the bound of connections
// there is none, which is right too.
func (a *attacker) expect(what, text string, codes ...int) {
	a.expectFrom(1, what, text, codes...)
}

func (a *attacker) expectFrom(host byte, what, text string, codes ...int) {
	code, body := a.requestFrom(host, text)
	for _, c := range append(codes, 0) {
		if code == c {
			return
		}
	}
	a.fault("%s: answered %d, want %v: %.200s", what, code, codes, body)
}

func (a *attacker) slowloris() {
	parallel(500, func(k int) {
		for !a.over() {
			nc, err := net.DialTimeout("tcp", a.page, 5*time.Second)
			if err != nil {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			begin, late := time.Now(), 0
			for _, err = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n"); err == nil && !a.over(); _, err = io.WriteString(nc, "X") {
				time.Sleep(500 * time.Millisecond)
				if time.Since(begin) > 15*time.Second {
					late++
				}
				// This process itself may have slept, and what is closed takes a byte or two more.
				if late > 10 {
					a.fault("a header was not finished for 15 s, and the connection was still open")
					break
				}
			}
			nc.Close()
		}
	})
}

func (a *attacker) bigHeaders() {
	long := "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"
	var b strings.Builder
	b.WriteString("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "X-%d: %s\r\n", i, strings.Repeat("y", 100))
	}
	b.WriteString("\r\n")
	url := "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	parallel(32, func(k int) {
		for !a.over() {
			a.expect("a header of 1 MB", long, 431)
			a.expect("a thousand headers", b.String(), 431)
			a.expect("an address of 1 MB", url, 431, 414)
		}
	})
}

func (a *attacker) bigBodies() {
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	body := func(head string, write func(io.Writer) error) {
		nc, err := net.DialTimeout("tcp", a.page, 5*time.Second)
		if err != nil {
			return
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(20 * time.Second)) // a fault shows at the Write
		_, err = io.WriteString(nc, head)
		sent := 0
		for err == nil && !a.over() && sent < 100<<20 {
			err = write(nc)
			sent += len(chunk)
		}
		if sent >= 100<<20 {
			a.fault("100 MB of a body were taken")
		}
	}
	parallel(40, func(k int) {
		path := []string{api + "/login", api + "/config/check"}[k%2]
		for !a.over() {
			body(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{\"user\":\"", path, 100<<20),
				func(w io.Writer) error { _, err := w.Write(chunk); return err })
			body(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", path),
				func(w io.Writer) error { _, err := fmt.Fprintf(w, "10000\r\n%s\r\n", chunk); return err })
		}
	})
}

func (a *attacker) streams() {
	var open atomic.Int64
	parallel(1000, func(k int) {
		for !a.over() {
			nc, err := net.DialTimeout("tcp", a.page, 5*time.Second)
			if err != nil {
				time.Sleep(50 * time.Millisecond)
				continue
			}
			_ = nc.SetDeadline(a.until.Add(time.Second)) // a fault shows at the Read
			_, err = io.WriteString(nc, "GET "+api+"/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
			b := make([]byte, 12)
			if err == nil {
				_, err = io.ReadFull(nc, b)
			}
			if err == nil && string(b[9:]) == "200" {
				if n := open.Add(1); n > 32 {
					a.fault("%d streams were open", n)
				}
				a.wait() // and never read
				open.Add(-1)
			}
			nc.Close()
			time.Sleep(20 * time.Millisecond)
		}
	})
}

func (a *attacker) loginFlood() {
	login := func(user, password string) string {
		b, _ := json.Marshal(map[string]string{"user": user, "password": password}) // two texts can be encoded
		return fmt.Sprintf("POST %s/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", api, len(b), b)
	}
	parallel(40, func(k int) {
		for i := 0; !a.over(); i++ {
			switch i % 3 {
			case 0:
				a.expectFrom(byte(10+k%8), "a wrong password", login(fmt.Sprint("user", k), fmt.Sprint(i)), 401, 503)
			case 1:
				a.expectFrom(byte(10+k%8), "a wrong password of an admin", login(honestUser, fmt.Sprint(i)), 401, 503)
			default:
				a.expectFrom(byte(10+k%8), "a password of 65 KB", login(honestUser, strings.Repeat("x", 65_000)), 400, 503)
			}
		}
	})
	// The flood is over: the right password is taken from one of its addresses, at the latest
	// when the pause that the flood earned it is over.
	for deadline := time.Now().Add(75 * time.Second); ; {
		code, body := a.requestFrom(10, login(honestUser, honestPassword))
		switch {
		case code == 200:
			return
		case code == 401:
			a.fault("the right password is called wrong: %s", body)
			return
		case time.Now().After(deadline):
			a.fault("the right password is not taken 75 s after the flood: %d %s", code, body)
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (a *attacker) forgeries() {
	get := func(path string, headers ...string) string {
		return "GET " + path + " HTTP/1.1\r\n" + strings.Join(append(headers, "Connection: close"), "\r\n") + "\r\n\r\n"
	}
	post := func(path, body string, headers ...string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nContent-Length: %d\r\n%s\r\n\r\n%s", path, len(body), strings.Join(headers, "\r\n"), body)
	}
	command := api + "/devices/relay/channels/state/command"
	const host, form, js = "Host: localhost", "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
	bob := "Authorization: Basic " + basic(honestUser, honestPassword)
	tries := []struct {
		what, text string
		codes      []int
	}{
		{"traversal", get("/../../../../etc/passwd", host), []int{301, 307, 400, 404}},
		{"traversal, encoded", get("/..%2f..%2f..%2fetc%2fpasswd", host), []int{301, 307, 400, 404}},
		{"traversal in a file of the page", get("/assets/../../../etc/passwd", host), []int{301, 307, 400, 404}},
		{"traversal in a device", get(api+"/devices/..%2f..%2fetc", host), []int{301, 307, 400, 404}},
		{"traversal, absolute", get("//etc/passwd", host), []int{301, 307, 400, 404}},
		{"a foreign Host", get(api+"/status", "Host: evil.example"), []int{421}},
		{"a foreign Host that begins as ours", get(api+"/status", "Host: localhost.evil.example"), []int{421}},
		{"a foreign Host, with a login", get(api+"/config", "Host: evil.example", bob), []int{421}},
		{"two Hosts", get(api+"/status", host, "Host: evil.example"), []int{400}},
		{"an absolute address", get("http://evil.example/api/v1/status", host), []int{421, 400}},
		{"another site's page", post(api+"/config/reload", "", host, "Sec-Fetch-Site: cross-site", bob), []int{403}},
		{"another site's origin", post(api+"/config/reload", "", host, "Origin: https://evil.example", bob), []int{403}},
		{"a form", post(command, "value=on", host, form, bob), []int{415}},
		{"a form that says it is text", post(command, `{"value":"on"}`, host, "Content-Type: text/plain", bob), []int{415}},
		{"forged loopback", get(api+"/status", host, "X-Forwarded-For: 127.0.0.1"), []int{401}},
		{"forged loopback, RFC 7239", get(api+"/status", host, "Forwarded: for=127.0.0.1"), []int{401}},
		{"a command without a login", post(command, `{"value":"on"}`, host, js), []int{401}},
		{"a made-up token", get(api+"/config", host, "Authorization: Bearer sg_AAAA"), []int{401}},
		{"a made-up cookie", get(api+"/config", host, "Cookie: sensorgate=AAAA"), []int{401}},
		{"smuggling: two lengths", post(api+"/login", "{}", host, js, "Content-Length: 0"), []int{400}},
	}
	parallel(8, func(k int) {
		for i := k; !a.over(); i++ {
			try := tries[i%len(tries)]
			a.expect(try.what, try.text, try.codes...)
			if _, body := a.request(tries[k%5].text); strings.Contains(body, "root:") {
				a.fault("%s: a file of the machine came back", tries[k%5].what)
			}
		}
	})
}

// strangers asks for everything that the document lists. Nobody is logged in, and a header
// says that the request was forwarded: so it does not count as one from this machine.
func (a *attacker) strangers() {
	_, body := a.request("GET " + api + "/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	var doc struct {
		Paths map[string]map[string]struct {
			Role string `json:"x-role"`
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || len(doc.Paths) < 20 {
		a.fault("the document: %v, %d paths", err, len(doc.Paths))
		return
	}
	var once sync.Once
	parallel(8, func(int) {
		for !a.over() {
			tried := 0
			for path, methods := range doc.Paths {
				path = strings.NewReplacer("{device}", "relay", "{channel}", "state").Replace(path)
				for method, op := range methods {
					if op.Role == "nobody" {
						continue
					}
					tried++
					a.expect("a stranger's "+method+" "+path, strings.ToUpper(method)+" "+path+" HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n", 401)
				}
			}
			once.Do(func() {
				if tried < 15 {
					a.fault("only %d routes need a login", tried)
				}
			})
		}
	})
}

func (a *attacker) longAnswers() {
	parallel(48, func(k int) {
		for !a.over() {
			// Half of them from one address, half from one each.
			d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(10+k*(k%2)))}}
			nc, err := d.Dial("tcp", a.page)
			if err != nil {
				continue
			}
			path := []string{"/history.csv", "/devices/d/channels/temperature/history?from=400d&max=2000", "/openapi.json", "/log?level=debug"}[k/2%4]
			_ = nc.SetDeadline(time.Now().Add(10 * time.Second)) // a fault shows at the Read
			for range 50 {                                       // pipelined, and the answers are not read
				if _, err := io.WriteString(nc, "GET "+api+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
					break
				}
			}
			_, _ = io.CopyN(io.Discard, nc, 4<<10)
			time.Sleep(100 * time.Millisecond)
			nc.Close()
		}
	})
}

func (a *attacker) garbage() {
	kinds := []string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", strings.Repeat("\x00", 4096),
		"GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET " + strings.Repeat("%", 3000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
	}
	parallel(16, func(k int) {
		for i := k; !a.over(); i++ {
			if code, body := a.request(kinds[i%len(kinds)]); code == 200 {
				a.fault("%.40q was answered with 200: %.100s", kinds[i%len(kinds)], body)
			}
		}
	})
}
