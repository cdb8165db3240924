package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

// machine lays out a small machine: path → content; "@target" is a symbolic link, and a
// path that ends in a slash a directory.
func machine(t *testing.T, files map[string]string) Machine {
	t.Helper()
	m := Machine{Root: t.TempDir(), User: "sensorgate", data: "/var/lib/sensorgate", port: 1883, SeesAll: true}
	for path, content := range files {
		full := m.path(path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		target, link := strings.CutPrefix(content, "@")
		switch {
		case strings.HasSuffix(path, "/"):
			err = os.MkdirAll(full, 0o755)
		case link:
			err = os.Symlink(target, full)
		default:
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// learn reads a configuration as the command does.
func learn(m *Machine, path string) {
	m.Learn(path, func() (*config.Config, config.Problems) {
		return config.Load(path, gateway.NewHardware(slog.New(slog.DiscardHandler)).Catalogue())
	})
}

// expect looks for one finding that has the verdict and contains the texts.
func expect(t *testing.T, found []Finding, v Verdict, texts ...string) {
	t.Helper()
next:
	for _, f := range found {
		if f.Verdict != v {
			continue
		}
		for _, text := range texts {
			if !strings.Contains(f.What+"\n"+f.Try, text) {
				continue next
			}
		}
		return
	}
	t.Errorf("no finding %q with %q in %+v", v, texts, found)
}

const (
	passwd = "root:x:0:0::/root:/bin/sh\nsensorgate:x:990:990::/var/lib/sensorgate:/usr/sbin/nologin\nann:x:1000:1000::/home/ann:/bin/sh\n"
	group  = "root:x:0:\ndialout:x:20:sensorgate,ann\ni2c:x:44:sensorgate\ngpio:x:45:sensorgate\nspi:x:46:sensorgate\nsensorgate:x:990:\n"
)

func TestDoctorUser(t *testing.T) {
	m := machine(t, map[string]string{"etc/passwd": passwd, "etc/group": group})
	expect(t, lookUser(m), OK, "sensorgate is in dialout, i2c, gpio, spi")
	m.User = "ann"
	expect(t, lookUser(m), Warning, "ann is not in group i2c", "sudo usermod -aG i2c ann")
	m.User = "bob"
	expect(t, lookUser(m), Wrong, "no user bob", "systemd-sysusers")
	m.User = "root"
	expect(t, lookUser(m), Warning, "runs as root")

	// Debian without our package: the service would fail with 216/GROUP.
	m = machine(t, map[string]string{"etc/passwd": passwd, "etc/group": "dialout:x:20:sensorgate\n"})
	expect(t, lookUser(m), Wrong, "no group gpio", "sudo groupadd --system gpio")
}

// The nodes of the fixture belong to whoever runs the test, so the group file is
// written around that.
func TestDoctorDevices(t *testing.T) {
	mine := fmt.Sprintf("dialout:x:%d:sensorgate\n", os.Getgid())
	strangers := "sensorgate:x:65000:65000::/:/bin/false\n"
	m := machine(t, map[string]string{"etc/passwd": strangers, "etc/group": mine, "dev/ttyUSB0": "", "dev/gpiochip0": "", "dev/tty1": ""})
	for node, mode := range map[string]os.FileMode{"dev/ttyUSB0": 0o660, "dev/gpiochip0": 0o600} {
		if err := os.Chmod(m.path(node), mode); err != nil {
			t.Fatal(err)
		}
	}
	found := lookDevices(m)
	expect(t, found, Wrong, "sensorgate may not open /dev/gpiochip0 (mode 0600", "udevadm trigger")
	if len(found) != 1 {
		t.Errorf("ttyUSB0 is open to the group and tty1 no wire, but: %+v", found)
	}
	if err := os.Chmod(m.path("dev/gpiochip0"), 0o660); err != nil {
		t.Fatal(err)
	}
	expect(t, lookDevices(m), OK, "all 2 devices")
	if err := os.WriteFile(m.path("etc/group"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, lookDevices(m), Wrong, "/dev/ttyUSB0", "usermod -aG dialout sensorgate")
	expect(t, lookDevices(machine(t, map[string]string{"etc/passwd": passwd, "etc/group": group})), Warning, "no serial port")
}

func TestDoctorI2C(t *testing.T) {
	expect(t, lookI2C(machine(t, map[string]string{"dev/i2c-1": ""})), OK, "1 I2C buses")
	expect(t, lookI2C(machine(t, map[string]string{"sys/class/i2c-adapter/i2c-1/": ""})), Wrong, "modprobe i2c-dev")
	expect(t, lookI2C(machine(t, map[string]string{"sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\x00"})), Warning, "raspi-config nonint do_i2c 0")
	expect(t, lookI2C(machine(t, nil)), Warning, "no I2C bus")
}

// What frees a bus that a chip holds, for each bus that the configuration uses.
func TestDoctorSaysWhatFreesAHangingBus(t *testing.T) {
	m := machine(t, map[string]string{
		"dev/i2c-1": "", "dev/i2c-3": "", "dev/i2c-4": "",
		"sys/devices/soc/fe804000.i2c/i2c-1/name": "", "sys/devices/soc/fe804000.i2c/driver": "@../../../bus/i2c-bcm2835", "sys/bus/i2c-bcm2835/unbind": "",
		"sys/devices/usb/i2c-3/name": "", "sys/devices/usb/driver": "@../../bus/i915", "sys/bus/i915/unbind": "",
		"sys/bus/i2c/devices/i2c-1": "@../../../devices/soc/fe804000.i2c/i2c-1", "sys/bus/i2c/devices/i2c-3": "@../../../devices/usb/i2c-3",
		"c.toml": `node = "n"
[device.attic]
driver = "bme280"
i2c = "1:0x76"
[device.cellar]
driver = "bme280"
i2c = "3:0x76"
[device.barn]
driver = "bme280"
i2c = "4:0x70/2:0x76"
[device.wire]
driver = "i2c-bus"
bus = "4"
scl = "GPIO17"
`})
	learn(&m, m.path("c.toml"))
	expect(t, lookI2C(m), OK, "i2c-1: nothing frees it", "only root", "systemctl enable --now sensorgate-i2c-reset.path")
	expect(t, lookI2C(m), OK, "i2c-3: nothing frees it", "cannot be reset", "i2c-bus")
	expect(t, lookI2C(m), OK, "i2c-4: a bus that hangs is freed by clock pulses (device wire)")
	if err := os.MkdirAll(m.path("etc/systemd/system/multi-user.target.wants"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/lib/systemd/system/"+resetUnit, m.path("etc/systemd/system/multi-user.target.wants", resetUnit)); err != nil {
		t.Fatal(err)
	}
	expect(t, lookI2C(m), OK, "i2c-1: a bus that hangs has its adapter reset, by sensorgate-i2c-reset.path")
	m.User = "root"
	expect(t, lookI2C(m), OK, "i2c-1: a bus that hangs has its adapter reset")
}

func TestDoctorPorts(t *testing.T) {
	for _, c := range []struct {
		name, comm, node, try string
	}{
		{"getty", "agetty", "/dev/ttyAMA0", "disable --now serial-getty@ttyAMA0.service"},
		{"modem manager", "ModemManager", "/dev/ttyUSB0", "disable --now ModemManager"},
		{"braille", "brltty", "/dev/ttyUSB1", "remove brltty"},
		{"gps", "gpsd", "/dev/ttyACM0", "disable --now gpsd.socket gpsd.service"},
		{"unknown", "node-red", "/dev/ttyUSB2", "systemctl status 412"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := machine(t, map[string]string{"proc/412/comm": c.comm + "\n", "proc/412/cmdline": c.comm + "\x00", "proc/412/fd/7": "@" + c.node, "proc/412/fd/8": "@" + c.node})
			found := lookPorts(m)
			expect(t, found, Wrong, c.node+" is held by "+c.comm+" (pid 412)", c.try)
			if n := strings.Count(fmt.Sprint(found), "is held by"); n != 1 {
				t.Errorf("the holder is named %d times: %+v", n, found)
			}
		})
	}
}

// What the configuration does not use may be held by whom it likes.
func TestDoctorPortsThatNobodyNeeds(t *testing.T) {
	m := machine(t, map[string]string{
		"proc/412/comm": "agetty\n", "proc/412/fd/0": "@/dev/ttyS0", "proc/412/fd/5": "@/dev/i2c-1", "proc/412/fd/6": "@/dev/ttyUSB3",
		"dev/ttyUSB3": "", "dev/serial/by-id/usb-FTDI": "@../../ttyUSB3",
		"first.toml": "[device.x]\ndriver = \"lines\"\nserial = { port = \"/dev/serial/by-id/usb-FTDI\", line = \"9600 8N1\" }\nmatch = '^(?P<v>\\d+)$'\n[device.x.channels]\nv = {}\n",
	})
	learn(&m, m.path("first.toml"))
	found := append(lookConfig(m), lookPorts(m)...)
	expect(t, found, OK, "1 devices, 0 upstreams")
	expect(t, found, Warning, "/dev/ttyS0 is held by agetty")
	expect(t, found, Warning, "/dev/i2c-1 is held by agetty")
	expect(t, found, Wrong, "/dev/ttyUSB3 is held by agetty")
}

func TestDoctorConfig(t *testing.T) {
	m := machine(t, map[string]string{
		"bad.toml": "[device.x]\ndriver = \"bme820\"\n", "good.toml": "data = \"/srv/readings\"\n[broker]\nlisten = [\"tcp://127.0.0.1:1899\"]\n",
	})
	learn(&m, m.path("none.toml"))
	expect(t, lookConfig(m), Warning, "no configuration at")
	learn(&m, m.path("bad.toml"))
	expect(t, lookConfig(m), Wrong, "1 error", "sensorgate check -c")
	learn(&m, m.path("good.toml"))
	expect(t, lookConfig(m), OK)
	if m.data != "/srv/readings" || m.port != 1899 {
		t.Errorf("learned data %q and port %d, want /srv/readings and 1899", m.data, m.port)
	}
}

func TestDoctorPortsOfTheGatewayItself(t *testing.T) {
	files := map[string]string{
		"proc/500/comm": "sensorgate\n", "proc/500/cmdline": "/usr/bin/sensorgate\x00run\x00", "proc/500/fd/9": "@/dev/ttyUSB0",
		"proc/501/comm": "sensorgate\n", "proc/501/cmdline": "sensorgate\x00doctor\x00", "proc/501/fd/1": "@/dev/pts/0",
	}
	expect(t, lookPorts(machine(t, files)), OK, "no other program")

	files["proc/600/comm"], files["proc/600/cmdline"] = "sensorgate\n", "./sensorgate\x00run\x00"
	expect(t, lookPorts(machine(t, files)), Wrong, "2 gateways are running")

	m := machine(t, files)
	m.SeesAll = false
	expect(t, lookPorts(m), Skipped, "only root", "sudo sensorgate doctor")
}

func TestDoctorConsole(t *testing.T) {
	m := machine(t, map[string]string{"proc/cmdline": "console=ttyAMA0,115200 console=tty1 root=/dev/mmcblk0p2\n"})
	found := lookPorts(m)
	expect(t, found, Warning, "/dev/ttyAMA0", "do_serial_cons")
	if len(found) != 1 {
		t.Errorf("tty1 is a screen and no wire, but: %+v", found)
	}
}

// One line as the kernel prints it: 127.0.0.1:1883 listening, inode 4711.
const tcpTable = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
	"   0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000   108        0 4711 1 0 100 0 0 10 0\n" +
	"   1: 0100007F:9C40 0100007F:075B 01 00000000:00000000 00:00000000 00000000   108        0 4712 1 0 100 0 0 10 0\n"

func TestDoctorBrokerPort(t *testing.T) {
	files := map[string]string{"proc/net/tcp": tcpTable}
	expect(t, lookBrokerPort(machine(t, files)), Warning, "only root sees who")

	// The members of the gateway's group see nobody's files, but they may ask the gateway.
	asked := machine(t, files)
	asked.Listening = []string{"127.0.0.1:1883"}
	expect(t, lookBrokerPort(asked), OK, "the gateway listens on port 1883")

	files["proc/77/comm"], files["proc/77/fd/5"] = "mosquitto\n", "@socket:[4711]"
	expect(t, lookBrokerPort(machine(t, files)), Wrong, "taken by mosquitto (pid 77)", "disable --now mosquitto")

	files["proc/77/comm"], files["proc/77/cmdline"] = "sensorgate\n", "sensorgate\x00run"
	expect(t, lookBrokerPort(machine(t, files)), OK, "the gateway listens")

	m := machine(t, files)
	m.port = 1884
	expect(t, lookBrokerPort(m), OK, "1884 is free")
}

func TestDoctorService(t *testing.T) {
	files := map[string]string{}
	expect(t, lookService(machine(t, files)), Warning, "does not run systemd")
	files["run/systemd/system/"] = ""
	expect(t, lookService(machine(t, files)), Warning, "no sensorgate.service")
	files["usr/lib/systemd/system/sensorgate.service"] = "[Unit]"
	expect(t, lookService(machine(t, files)), Wrong, "not start at boot", "enable --now sensorgate")
	files["etc/systemd/system/multi-user.target.wants/sensorgate.service"] = "@/usr/lib/systemd/system/sensorgate.service"
	expect(t, lookService(machine(t, files)), Wrong, "no gateway is running", "journalctl -u sensorgate")
	files["proc/9/comm"], files["proc/9/cmdline"] = "sensorgate", "/usr/bin/sensorgate\x00run\x00--config\x00x"
	expect(t, lookService(machine(t, files)), OK, "enabled and running")
}

func TestDoctorClock(t *testing.T) {
	old := clockSynced
	defer func() { clockSynced = old }()
	clockSynced = func() bool { return false }
	expect(t, lookClock(machine(t, nil)), Wrong, "not synchronised", "set-ntp true")
	expect(t, lookClock(machine(t, map[string]string{"run/systemd/timesync/synchronized": ""})), OK)
	clockSynced = func() bool { return true }
	expect(t, lookClock(machine(t, nil)), OK)
}

// Values as the firmware of a Pi 4 prints them; raspberrypi.com, vcgencmd get_throttled.
func TestDoctorPower(t *testing.T) {
	const path = "sys/devices/platform/soc/soc:firmware/get_throttled"
	for text, want := range map[string]Finding{
		"0\n":       {Verdict: OK},
		"50005\n":   {Verdict: Wrong, What: "now: too little voltage"},
		"0x50000\n": {Verdict: Wrong, What: "since the start: too little voltage"},
		"80008\n":   {Verdict: Wrong, What: "now: too hot"},
		"e0000\n":   {Verdict: Wrong, What: "since the start: too hot"},
		"what\n":    {Verdict: Skipped, What: "not a number"},
	} {
		expect(t, lookPower(machine(t, map[string]string{path: text})), want.Verdict, want.What)
	}
	hwmon := map[string]string{
		"sys/class/hwmon/hwmon0/name": "cpu_thermal\n", "sys/class/hwmon/hwmon0/in0_lcrit_alarm": "1\n",
		"sys/class/hwmon/hwmon1/name": "rpi_volt\n", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
	}
	expect(t, lookPower(machine(t, hwmon)), OK)
	hwmon["sys/class/hwmon/hwmon1/in0_lcrit_alarm"] = "1\n"
	expect(t, lookPower(machine(t, hwmon)), Wrong, "too little voltage", "power supply")
	expect(t, lookPower(machine(t, nil)), Skipped)
}

func TestDoctorHardwareWatchdog(t *testing.T) {
	files := map[string]string{"etc/systemd/system.conf": "[Manager]\n#RuntimeWatchdogSec=10\n"}
	expect(t, lookHardwareWatchdog(machine(t, files)), Skipped)
	files["dev/watchdog0"] = ""
	expect(t, lookHardwareWatchdog(machine(t, files)), Warning, "RuntimeWatchdogSec=15")
	files["etc/systemd/system.conf.d/w.conf"] = "[Manager]\nRuntimeWatchdogSec = 15\n"
	expect(t, lookHardwareWatchdog(machine(t, files)), OK, "after 15")
}

func TestDoctorStore(t *testing.T) {
	m := machine(t, map[string]string{
		"var/lib/sensorgate/": "", "etc/passwd": fmt.Sprintf("sensorgate:x:%d:%d::/:/bin/false\n", os.Getuid(), os.Getgid()), "etc/group": group,
	})
	found := lookStore(m)
	expect(t, found, Wrong, "everybody may look", "sudo chmod 700 /var/lib/sensorgate")
	expect(t, found, OK, "MiB free")
	if err := os.Chmod(m.path(m.data), 0o700); err != nil {
		t.Fatal(err)
	}
	expect(t, lookStore(m), OK, "a sync takes")
	if left, _ := os.ReadDir(m.path(m.data)); len(left) > 0 {
		t.Errorf("the doctor left %v in the store", left)
	}
	m.User = "ann"
	if err := os.WriteFile(m.path("etc/passwd"), []byte("ann:x:65000:65000::/:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, lookStore(m), Wrong, "ann may not write", "chown -R ann:ann /var/lib/sensorgate")
	expect(t, lookStore(machine(t, nil)), Warning, "does not exist yet")
}

func TestDoctorJudgesSyncs(t *testing.T) {
	times := func(d time.Duration) []time.Duration { return []time.Duration{d, d * 2, d / 2} }
	for _, c := range []struct {
		each time.Duration
		card bool
		want Verdict
	}{
		{10 * time.Millisecond, true, OK},
		{500 * time.Microsecond, true, Warning}, // no card is that fast
		{500 * time.Microsecond, false, OK},
		{300 * time.Millisecond, true, Wrong},
	} {
		if got := judgeSyncs(times(c.each), c.card); got.Verdict != c.want {
			t.Errorf("%v on card %v: %+v, want %s", c.each, c.card, got, c.want)
		}
	}
}

func TestDoctorReport(t *testing.T) {
	found := []Finding{
		{Check: "clock", Verdict: OK, What: "the clock is synchronised"},
		{Check: "ports", Verdict: Wrong, What: "/dev/ttyUSB0 is held by gpsd (pid 3)", Try: "sudo systemctl disable --now gpsd"},
	}
	var text bytes.Buffer
	if err := Report(&text, found, false); !errors.Is(err, ErrWrong) {
		t.Errorf("something is wrong, but the error is %v", err)
	}
	const want = "ok       clock     the clock is synchronised\n" +
		"wrong    ports     /dev/ttyUSB0 is held by gpsd (pid 3)\n" +
		"                   try: sudo systemctl disable --now gpsd\n" +
		"\n1 wrong, 0 warnings, 0 not looked at, 1 ok\n"
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &text, want)
	}
	var js bytes.Buffer
	if err := Report(&js, found, true); err == nil {
		t.Error("no error with --json")
	}
	var back []Finding
	if err := json.Unmarshal(js.Bytes(), &back); err != nil || len(back) != 2 || back[1] != found[1] {
		t.Errorf("JSON gives back %+v, %v", back, err)
	}
	if err := Report(&text, found[:1], false); err != nil {
		t.Errorf("nothing is wrong, but the error is %v", err)
	}
}

// All checks on an empty machine: no panic, and each reports something.
func TestDoctorOnAnEmptyMachine(t *testing.T) {
	seen := map[string]bool{}
	m := machine(t, nil)
	learn(&m, m.path("none.toml"))
	for _, f := range m.Examine() {
		seen[f.Check] = true
		if f.What == "" {
			t.Errorf("%s reports nothing", f.Check)
		}
	}
	for _, c := range checks {
		if !seen[c.name] {
			t.Errorf("%s returns no finding", c.name)
		}
	}
}
