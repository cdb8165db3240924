package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sensorgate/internal/freeport"
)

// Who may not read the configuration of an installed gateway is given the line that works,
// first of all, whatever the command; what changes something does not name the group, whose members may only look.
func TestConfigurationOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root, to be somebody else")
	}
	binary := program(t)
	dir, err := os.MkdirTemp("", "rights")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{dir, filepath.Dir(binary)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for command, looks := range map[string]bool{"check": true, "topics": true, "plan": true, "journal status": true, "read x": true, "reload": false} {
		args := append(strings.Fields(command), "-c", file)
		cmd := exec.Command(binary, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		want := "sensorgate: " + file + ": this user may not read it (try: sudo sensorgate " + strings.Join(args, " ")
		if err == nil || !strings.HasPrefix(string(out), want) || strings.Contains(string(out), "adduser") != looks || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v\n%swant\n%s", command, err, out, want)
		}
	}
}

// Who starts a gateway of his own beside the installed service reads that it needs a folder of
// its own, and not to use the service's store as root.
func TestGatewayOfAnOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root, to be somebody else")
	}
	binary := program(t)
	dir, err := os.MkdirTemp("", "rights")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	store := filepath.Join(dir, "service")
	for _, d := range []string{store, filepath.Join(store, "versions")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, filepath.Dir(binary)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "own.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \""+store+"\"\nbroker.listen = []\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "run", "-c", file)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME=/home/pi/.local/state")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), store+" is the store of the service") || !strings.HasSuffix(string(out), "data = \"/home/pi/.local/state/sensorgate\"\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Who may read the configuration and ask the gateway, as the members of its group, but not look into its
// store, reads nothing about the folder there when it has no files, and one line with their names when it has.
func TestGroupIsNotWarnedOfWhatIsNotThere(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root, to be somebody else")
	}
	binary := program(t)
	dir, err := os.MkdirTemp("", "rights")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	store, port := filepath.Join(dir, "store"), strconv.Itoa(freeport.Port(t))
	file := filepath.Join(dir, "sensorgate.toml")
	t.Setenv("RUNTIME_DIRECTORY", dir)
	text := "node = \"n\"\ndata = \"" + store + "\"\nbroker.listen = [\"tcp://127.0.0.1:" + port + "\"]\n[device.b]\ndriver = \"sim\"\nchannels.x = { shape = \"sine\" }\n"
	for path, mode := range map[string]os.FileMode{dir: 0o755, filepath.Dir(binary): 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	member := func(command string) (string, error) {
		cmd := exec.Command(binary, command, "-c", file)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 0}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	check := func() string {
		t.Helper()
		out, err := member("check")
		if err != nil || !strings.Contains(out, "ok: node n") {
			t.Errorf("check: %v\n%s", err, out)
		}
		return out
	}
	startGateway(t, binary, file, port)
	if err := os.Chmod(store, 0o700); err != nil {
		t.Fatal(err)
	}
	within(t, func() error { _, err := member("status"); return err })
	if out := check(); strings.Contains(out, "warning") {
		t.Errorf("nothing is there, and yet:\n%s", out)
	}
	saved := filepath.Join(store, "conf.d/devices.toml")
	if err := os.MkdirAll(filepath.Dir(saved), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(saved, []byte("[device.a]\ndriver = \"sim\"\nchannels.x = { shape = \"sine\" }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, binary, "reload", "-c", file)
	want := "warning " + store + "/conf.d: this user may not read devices.toml: what the page saved there is left out (try: sudo sensorgate check -c " + file + ")\n"
	if out := check(); !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 2 {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

// What an ordinary user types who is in the gateway's group: what looks works without sudo, over the control
// socket; what changes something, or reads the messages in the store, names the sudo line.
func TestGroupMayLookAndNoMore(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root, to be somebody else")
	}
	d := newDesk(t)
	for path, mode := range map[string]os.FileMode{d.dir: 0o755, d.file: 0o644, filepath.Dir(program(t)): 0o755, filepath.Join(d.dir, "store"): 0o711} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	typed := func(group uint32, command string) (string, error) {
		cmd := exec.Command(program(t), append(strings.Fields(command), "-c", d.file)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: group}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	run(t, program(t), "sub", "--config", d.file, "-c", "-i", "panel", "-q", "1", "-t", "x", "-E")
	const member, nobody = 0, 65534 // the group of the socket, which root's gateway has made, is root
	for command, want := range map[string]string{
		"status": "attic", "status --json": `"barn-pi"`, "journal status": "QUEUE", "journal status --json": `"Queues"`, "journal sessions": "CLIENT",
		"history": "single values", "history attic/temperature": "attic/temperature in °C", "plan": "nothing changes", "check": "ok: node barn-pi",
		"topics": "barn-pi/attic/temperature", "discovery list": "TOPIC", "doctor": "the configuration is in order",
	} {
		if out, err := typed(member, command); !strings.Contains(out, want) || strings.Contains(out, "permission denied") || err != nil && command != "doctor" {
			t.Errorf("a member types %s: %v\n%s", command, err, out)
		}
	}
	if out, _ := typed(member, "doctor"); !strings.Contains(out, "the gateway listens on port") {
		t.Errorf("doctor does not ask the gateway whether it listens:\n%s", out)
	}
	for _, command := range []string{"add sim --unseen", "reload", "journal dump", "journal verify", "journal sessions --remove panel", "backup " + filepath.Join(t.TempDir(), "b")} {
		if out, err := typed(member, command); err == nil || !strings.Contains(out, "try: sudo sensorgate "+command) {
			t.Errorf("a member types %s: %v\n%s", command, err, out)
		}
	}
	for _, command := range []string{"status", "journal status", "journal sessions", "history", "plan"} {
		if out, err := typed(nobody, command); err == nil || !strings.Contains(out, "try: sudo sensorgate "+command) || !strings.Contains(out, "sudo adduser $USER sensorgate") {
			t.Errorf("somebody else types %s: %v\n%s", command, err, out)
		}
	}
	if err := os.Chmod(d.file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"journal dump", "journal sessions --remove panel", "backup b", "add sim", "reload"} {
		if out, err := typed(nobody, command); err == nil || !strings.Contains(out, "try: sudo sensorgate "+command) || strings.Contains(out, "adduser") {
			t.Errorf("somebody else types %s, for which the group is no help: %v\n%s", command, err, out)
		}
	}
}
