package web

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A login is a cookie that ends at logout, when it was not used, and with the password.
func TestLoginEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, nil)
		login := func() *http.Cookie {
			w := s.ask("stranger", "POST", api+"/login", `{"user":"ann","password":"a-pw"}`)
			if w.Code != 200 || len(w.Result().Cookies()) != 1 {
				t.Fatalf("login: %d %s", w.Code, w.Body)
			}
			return w.Result().Cookies()[0]
		}
		role := func(c *http.Cookie) string {
			var m Me
			w := s.ask("stranger", "GET", api+"/me", "", func(r *http.Request) { r.AddCookie(c) })
			if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
				t.Fatal(err)
			}
			return m.Role
		}
		c := login()
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || role(c) != "operate" {
			t.Errorf("the cookie is %v, the role %s", c, role(c))
		}
		time.Sleep(11 * time.Hour)
		if role(c) != "operate" {
			t.Error("the login ended while it was used")
		}
		time.Sleep(13 * time.Hour)
		if role(c) != "nobody" {
			t.Error("the login did not end by itself")
		}
		c = login()
		s.ask("stranger", "POST", api+"/logout", "", func(r *http.Request) { r.AddCookie(c) })
		if role(c) != "nobody" {
			t.Error("the login did not end at logout")
		}
		c = login()
		s.users["ann"] = "another"
		if role(c) != "nobody" {
			t.Error("the login did not end with the password")
		}
	})
}

// A token that is taken out of the file is refused from then on.
func TestTokenIsRevoked(t *testing.T) {
	s := newServed(t, nil)
	if w := s.ask("token", "GET", api+"/status", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if err := os.WriteFile(s.o.Tokens, []byte("# no token is left\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := s.ask("token", "GET", api+"/status", ""); w.Code != 401 {
		t.Errorf("after revoking: %d", w.Code)
	}
}
