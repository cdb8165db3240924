package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// A save that opens another listener and is not confirmed does not outlive kill -9; one
// that needs no confirmation does.
func TestUnconfirmedSaveIsGoneAfterKill(t *testing.T) {
	p, file := gateway(t, "[broker]\nlisten = [\"tcp://127.0.0.1:0\"]\n[device.x]\ndriver = \"sim\"\n[device.x.channels]\nvalue = {}\n")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data := strings.Trim(strings.TrimPrefix(strings.SplitN(string(text), "\n", 2)[0], "data = "), `"`)
	socket := filepath.Join(data, "control.sock")
	for _, save := range []struct{ name, text string }{
		{"device.toml", `[device.saved]\ndriver = \"sim\"\nchannels.y = {}\n`},
		{"listen.toml", fmt.Sprintf(`[broker]\nlisten = [\"tcp://127.0.0.1:%d\"]\n`, freeport.Port(t))},
	} {
		code, answer := overSocket(t, socket, "PUT", "/api/v1/config/files/"+save.name, `{"text":"`+save.text+`"}`)
		if code != 200 || strings.Contains(answer, "confirm_until") != (save.name == "listen.toml") {
			t.Fatalf("saving %s: %d %s", save.name, code, answer)
		}
	}
	p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
	p = start(t, binary, "run", "--config", file)
	p.waitFor("broker ready", 30*time.Second)
	if _, err := os.Stat(filepath.Join(data, "conf.d", "listen.toml")); err == nil {
		t.Error("the listener that nobody confirmed is still in the configuration")
	}
	if _, answer := overSocket(t, socket, "GET", "/api/v1/config", ""); !strings.Contains(answer, "device.saved") {
		t.Errorf("the device that was saved is gone: %s", answer)
	}
}

// overSocket makes one request on the control socket.
func overSocket(t *testing.T, socket, method, path, body string) (code int, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://x"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("If-None-Match", "*")
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		for { // it listens soon, if not yet: of another process there is nothing to wait on
			c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
			if err == nil || ctx.Err() != nil {
				return c, err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}}}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
