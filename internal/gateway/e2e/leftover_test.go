package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"sensorgate/internal/freeport"
	"sensorgate/internal/mqtttools"
)

// retainedAt is all that a broker retains, by topic.
func retainedAt(t *testing.T, port int, user, password string) map[string]string {
	t.Helper()
	var r mqtttools.Retained
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	r.Flags(f)
	if err := f.Parse([]string{"-L", fmt.Sprintf("mqtt://127.0.0.1:%d", port), "-u", user, "-P", password}); err != nil {
		t.Fatal(err)
	}
	found, err := r.List(t.Context(), "#")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for topic, payload := range found {
		texts[topic] = string(payload)
	}
	return texts
}

// retainedUntil waits until a broker retains what ok wants.
func retainedUntil(t *testing.T, what string, port int, ok func(retained map[string]string) bool) {
	t.Helper()
	for limit := time.Now().Add(2 * time.Minute); ; {
		r := retainedAt(t, port, "barn", "secret")
		if ok(r) {
			return
		}
		if time.Now().After(limit) {
			var list strings.Builder
			for topic, payload := range r {
				fmt.Fprintf(&list, "%s %.60s\n", topic, payload)
			}
			t.Fatalf("%s: there is\n%s", what, list.String())
		}
	}
}

// leaver is a gateway whose bridge leaves the file.
type leaver struct {
	t          *testing.T
	dir, file  string
	upstream   int
	conf       []string // of the upstream
	home, self *process
}

func newLeaver(t *testing.T) *leaver {
	l := &leaver{t: t, dir: t.TempDir(), upstream: freeport.Port(t)}
	l.file = filepath.Join(l.dir, "sensorgate.toml")
	for name, text := range map[string]string{"barn.pass": "secret\n", "users": "barn:secret\n"} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(need(t, "mosquitto_passwd", "mosquitto-clients"), "-U", filepath.Join(l.dir, "users")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.conf = []string{"allow_anonymous false", "password_file " + filepath.Join(l.dir, "users"), "persistence true", "persistence_location " + l.dir + "/"}
	l.home = mosquitto(t, l.upstream, l.conf...)
	return l
}

// write writes the file: with the bridge or without it, and devices.
func (l *leaver) write(conventions, devices string) {
	l.t.Helper()
	text := fmt.Sprintf("node = \"barn\"\ndata = %q\nbroker.listen = []\n", filepath.Join(l.dir, "data"))
	if strings.Contains(conventions, "bridges") {
		text += fmt.Sprintf("[bridge.ha]\nurls = [\"mqtt://127.0.0.1:%d\"]\nuser = \"barn\"\npassword = { file = %q }\nprefix = \"sites/42/\"\nkeep_alive = \"2s\"\nrules = [ { dir = \"in\", local = \"x\" } ]\n",
			l.upstream, filepath.Join(l.dir, "barn.pass"))
	}
	if err := os.WriteFile(l.file, []byte(text+conventions+devices), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *leaver) start() {
	l.t.Helper()
	l.self = start(l.t, binary, "run", "--config", l.file)
	l.self.waitFor("broker ready", time.Minute)
}

const (
	bothThere = "[homeassistant]\nbridges = [\"ha\"]\n[homie]\nversion = 5\nbridges = [\"ha\"]\n"
	bothHere  = "[homeassistant]\n[homie]\nversion = 5\n"
	switchA   = "[device.a]\ndriver = \"sim\"\nevery = \"1s\"\nchannels.state = { shape = \"output\" }\n"
	switchB   = "[device.b]\ndriver = \"sim\"\nevery = \"1s\"\nchannels.state = { shape = \"output\" }\n"
)

// described reports whether both conventions have described a device, and its states came.
func described(device string) func(map[string]string) bool {
	return func(r map[string]string) bool {
		return r["homeassistant/device/barn_"+device+"/config"] != "" && r["homie/5/barn-"+device+"/$state"] == "ready" && r["sites/42/barn/"+device+"/status"] != "" && r["sites/42/barn/"+device+"/state"] != ""
	}
}

// A bridge that was taken out of the file while the gateway was stopped, or killed, leaves
// nothing at its upstream, which wants a password: no description, no state, nothing that
// says of itself that it is offline. Also when that upstream is away at first.
func TestABridgeThatWentWhileTheGatewayWasStoppedLeavesNothing(t *testing.T) {
	l := newLeaver(t)
	l.write(bothThere, switchA+switchB)
	l.start()
	retainedUntil(t, "with the bridge", l.upstream, described("b"))
	l.self.stop(syscall.SIGKILL)
	l.home.stop(syscall.SIGTERM)
	l.write(bothHere, switchA)
	l.start()
	for limit := time.Now().Add(time.Minute); ; { // each call takes a while
		out, _ := once(t, "status", "-c", l.file)
		if strings.Contains(out, "to be removed at mqtt://127.0.0.1") && strings.Contains(out, "refused") {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("status says\n%s", out)
		}
	}
	if out, _ := once(t, "doctor", "-c", l.file); !strings.Contains(out, "is still what [homie] described over bridge ha") || !strings.Contains(out, fmt.Sprintf("sensorgate discovery clean --all -L mqtt://127.0.0.1:%d -u barn", l.upstream)) {
		t.Errorf("doctor says\n%s", out)
	}
	l.self.stop(syscall.SIGKILL)
	l.start()
	l.home = mosquitto(t, l.upstream, l.conf...)
	retainedUntil(t, "without the bridge", l.upstream, func(r map[string]string) bool { return len(r) == 0 })
	if out, _ := once(t, "status", "-c", l.file); strings.Contains(out, "to be removed") {
		t.Errorf("status says\n%s", out)
	}
}

// What a device that is gone has left at Home Assistant's broker goes with its
// description: its retained state and its status. So does what a convention has left that
// was turned off; what the file's own rules send stays.
func TestADeviceThatIsGoneLeavesNoStateAtTheUpstream(t *testing.T) {
	l := newLeaver(t)
	l.write(bothThere, switchA+switchB)
	l.start()
	retainedUntil(t, "two devices", l.upstream, described("b"))
	l.write(bothThere, switchA)
	l.self.cmd.Process.Signal(syscall.SIGHUP)
	none := func(device string) func(map[string]string) bool {
		return func(r map[string]string) bool {
			for topic := range r {
				if strings.Contains(topic, "/"+device+"/") || strings.Contains(topic, "barn-"+device) || strings.Contains(topic, "barn_"+device) {
					return false
				}
			}
			return true
		}
	}
	retainedUntil(t, "one of them removed", l.upstream, func(r map[string]string) bool { return none("b")(r) && described("a")(r) })
	l.self.stop(syscall.SIGKILL)
	l.write(bothThere, switchB)
	l.start()
	retainedUntil(t, "renamed while it was stopped", l.upstream, func(r map[string]string) bool { return none("a")(r) && described("b")(r) })
	l.write(strings.Replace(bothThere, "[homeassistant]\nbridges = [\"ha\"]\n", "", 1), switchB)
	l.self.cmd.Process.Signal(syscall.SIGHUP)
	retainedUntil(t, "Home Assistant turned off", l.upstream, func(r map[string]string) bool {
		for topic := range r {
			if !strings.HasPrefix(topic, "homie/5/barn") && topic != "sites/42/barn/status" {
				return false
			}
		}
		return r["homie/5/barn-b/$state"] == "ready" && r["sites/42/barn/status"] == "online"
	})
}

// The power goes, and the line says nothing: the upstream keeps the last wills of the
// former connections for a while. What is cleaned up meanwhile is not lost or offline
// afterwards.
func TestALastWillOfBeforeThePowerWentLeavesNothing(t *testing.T) {
	l := newLeaver(t)
	l.write(bothThere, switchA)
	l.start()
	retainedUntil(t, "with the bridge", l.upstream, described("a"))
	l.self.cmd.Process.Signal(syscall.SIGSTOP) // its connections stay, and say nothing more
	former := l.self
	data := filepath.Join(l.dir, "data")
	if out, err := exec.Command("cp", "-a", data, data+"2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.write(bothHere, switchA)
	text, err := os.ReadFile(l.file)
	if err == nil {
		err = os.WriteFile(l.file, []byte(strings.Replace(string(text), data, data+"2", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.start()
	l.self.wait("cleaned up", 2*time.Minute, func(out string) bool {
		return strings.Count(out, "what was described at an upstream is removed there") == 2
	})
	l.home.wait("the former connections end", time.Minute, func(out string) bool {
		ended := func(id string) bool {
			return strings.Contains(out, "Client "+id+" already connected") || strings.Contains(out, "Client "+id+" has exceeded timeout")
		}
		return ended("sensorgate-barn-ha") && ended("sensorgate-barn-ha-homie")
	})
	if r := retainedAt(t, l.upstream, "barn", "secret"); len(r) > 0 {
		t.Errorf("there is %v", r)
	}
	former.cmd.Process.Kill()
}
