package attack

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// isWeb reports whether a row is about the page and the API.
func (r *row) isWeb() bool { return strings.HasPrefix(r.name, "http-") }

// withWeb adds the page and an output to the gateway's configuration; its user is an admin.
func (g *gateway) withWeb() {
	g.t.Helper()
	g.web = true
	path := filepath.Join(g.dir, "sensorgate.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	text = fmt.Appendf(text, "\n[device.relay]\ndriver = \"sim\"\n[device.relay.channels]\nstate = { shape = \"output\" }\n[web]\nlisten = [\"http://%s\"]\nadmin = [%q]\n", g.page, honestUser)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// maxPage is how long an honest person may wait for an answer while somebody attacks: it
// does not feel slow yet.
const maxPage = time.Second

// others are those who use the gateway honestly while it is attacked.
type others struct {
	messages, logins, looks honest
	ended                   sync.WaitGroup
}

// visit sends messages until ctx ends; it logs in if the row is about passwords, and looks
// at the page if it is about that.
func (g *gateway) visit(ctx context.Context, r row) *others {
	o := new(others)
	o.ended.Go(func() { o.messages.run(ctx, g.addr) })
	if r.login {
		o.ended.Go(func() { o.logins.logIn(ctx, g.addr) })
	}
	if r.isWeb() {
		o.ended.Go(func() { o.looks.look(ctx, "http://"+g.page+api+"/status") })
	}
	return o
}

// wait fills in what they met with and returns who was not served.
func (o *others) wait(to *outcome, r row) (faults []string) {
	o.ended.Wait()
	var n int
	var err error
	if to.p99, to.worst, n, err = o.messages.result(); err != nil || n == 0 {
		faults = append(faults, fmt.Sprintf("the honest client was not served: %v, %d messages", err, n))
	}
	if r.login {
		if _, to.login, n, err = o.logins.result(); (err != nil || n == 0) && !(*mode == "short" && errors.Is(err, os.ErrDeadlineExceeded)) {
			faults = append(faults, fmt.Sprintf("logins: %v, %d tried", err, n))
		}
	}
	if r.isWeb() {
		if to.page, _, n, err = o.looks.result(); err != nil || n == 0 {
			faults = append(faults, fmt.Sprintf("an honest person was not served: %v, %d looks at the page", err, n))
		}
	}
	return faults
}

// look asks for a page ten times a second, from an address of its own, until ctx ends.
func (h *honest) look(ctx context.Context, url string) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	for tick := time.NewTicker(100 * time.Millisecond); ctx.Err() == nil; <-tick.C {
		begin := time.Now()
		err := look(&client, url)
		h.mu.Lock()
		if err != nil {
			h.fault = err
		} else {
			h.took = append(h.took, time.Since(begin))
		}
		h.mu.Unlock()
	}
}

func look(client *http.Client, url string) error {
	r, err := client.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", r.Status)
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err
}
