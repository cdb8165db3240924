package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	userfile "sensorgate/broker/passwd"
)

// A file made with -H sha512-pbkdf2 opens mosquitto 2.0 as well as our broker.
func TestPasswordFileForMosquitto(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	must(t, "hush\n", "passwd", "add", "-H", "sha512-pbkdf2", path, "ann")
	must(t, "still\n", "passwd", "add", path, "bob")
	if _, err := with(t, "", "passwd", "add", "-H", "md5", path, "eve"); err == nil || !strings.Contains(err.Error(), "have argon2id") {
		t.Errorf("-H md5: %v", err)
	}
	users, err := userfile.Load(path)
	if err != nil || !userfile.Verify(users["ann"], []byte("hush")) || !userfile.Verify(users["bob"], []byte("still")) || userfile.Verify(users["ann"], []byte("other")) {
		t.Fatalf("%v, %v", users, err)
	}
	mosquitto := "/usr/sbin/mosquitto"
	if _, err := os.Stat(mosquitto); err != nil {
		t.Skip("skipped: no mosquitto here (Debian package mosquitto)")
	}
	mosquittoTool(t, "mosquitto_pub")
	delete(users, "bob") // 2.0 does not know argon2id
	if err := users.Save(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	conf := filepath.Join(t.TempDir(), "m.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf("listener %s 127.0.0.1\npassword_file %s\nuser root\n", port, path)), 0o600); err != nil {
		t.Fatal(err)
	}
	m := exec.Command(mosquitto, "-c", conf)
	m.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Process.Kill(); m.Wait() })
	awaitPort(t, port)
	if _, code := theirs(t, "", "mosquitto_pub", "-p", port, "-u", "ann", "-P", "hush", "-t", "a", "-m", "x"); code != 0 {
		t.Errorf("mosquitto refuses the right password: %d", code)
	}
	if _, code := theirs(t, "", "mosquitto_pub", "-p", port, "-u", "ann", "-P", "wrong", "-t", "a", "-m", "x"); code == 0 {
		t.Error("mosquitto takes a wrong password")
	}
}

// awaitPort waits until another process listens; there is nothing to wait on but trying.
func awaitPort(t *testing.T, port string) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; {
		nc, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			nc.Close()
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("nobody listens on %s: %v", port, err)
		}
	}
}
