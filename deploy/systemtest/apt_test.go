//go:build system

package systemtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/deploy/board"
)

const aptSource = "deb [signed-by=/usr/share/keyrings/sensorgate.gpg] file:/srv/apt stable main\n"

// The signed repository of a release, used as docs/install.md says: apt installs the package and the service runs, a
// newer version comes with apt-get upgrade, and an index that was changed after it was signed is refused.
func TestAptRepository(t *testing.T) {
	for _, name := range []string{"gpg", "dpkg-scanpackages"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("skipped: no %s here (Debian packages gnupg and dpkg-dev)", name)
		}
	}
	dir := shared(t, "amd64")
	lay := signedRepository(t, dir)
	lay("v1.0.0")
	m := boot(t, board.Config{Arch: "amd64", Share: dir})
	// The machine has no network: nobody else's packages.
	m.sh("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*")
	m.sh("install -m 644 /host/apt/sensorgate.gpg /usr/share/keyrings/sensorgate.gpg")
	m.write("/etc/apt/sources.list.d/sensorgate.list", aptSource)
	m.fetchRepository()
	t.Log(m.apt("update --error-on=any"))
	t.Log(m.apt("install -y sensorgate"))
	m.until("systemctl is-active sensorgate")
	m.arrives("+/demo/#", "/demo/")

	lay("v1.0.1")
	m.fetchRepository()
	m.apt("update --error-on=any")
	t.Log(m.apt("upgrade -y"))
	if got := m.sh("sensorgate version"); !strings.HasPrefix(got, "sensorgate version v1.0.1 ") {
		t.Errorf("after apt-get upgrade: %s", got)
	}
	m.until("systemctl is-active sensorgate")
	m.arrives("+/demo/#", "/demo/")

	m.sh("cd /srv/apt/dists/stable/main/binary-amd64 && sed -i 's/^Version: .*/Version: 6.6.6/' Packages && gzip -9 -n -k -f Packages")
	// What apt has already it does not read again.
	out, rc, err := m.Run("rm -rf /var/lib/apt/lists/* && apt-get update --error-on=any 2>&1")
	if err != nil || rc == 0 || !strings.Contains(out, "stable/main/binary-amd64/Packages") {
		t.Errorf("apt takes an index that was changed after it was signed: %v\n%s", err, out)
	}
	m.apt("purge -y sensorgate")
}

// apt runs apt-get as an administrator's script does.
func (m *machine) apt(args string) string {
	m.t.Helper()
	return m.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 " + args + " 2>&1")
}

// fetchRepository puts the repository where apt's own user, who may not see /host, reads it.
func (m *machine) fetchRepository() {
	m.t.Helper()
	m.sh("rm -rf /srv/apt && cp -r /host/apt /srv/apt")
}

// signedRepository makes a key and returns what lays out the repository of one version in dir/apt.
func signedRepository(t *testing.T, dir string) (lay func(version string)) {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") // short: it holds UNIX sockets
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home, "SOURCE_DATE_EPOCH=1767225600", "SIGN_KEY=release@sensorgate.invalid")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	t.Cleanup(func() {
		with("gpgconf", "--homedir", home, "--kill", "all")
		os.RemoveAll(home)
	})
	with("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "release@sensorgate.invalid", "default", "sign", "never")
	return func(version string) {
		t.Helper()
		from := t.TempDir()
		if err := os.Link(filepath.Join(dir, version+".deb"), filepath.Join(from, "sensorgate_amd64.deb")); err != nil {
			t.Fatal(err)
		}
		with("../deb/repository.sh", filepath.Join(dir, "apt"), from)
	}
}
