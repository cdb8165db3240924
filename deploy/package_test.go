package deploy

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// buildPackage makes the package of this machine's architecture as `make deb` does.
func buildPackage(t *testing.T, dir, tz, umask string) string {
	t.Helper()
	tool(t, "dpkg-deb")
	lookAtSources(t)
	binary, deb := filepath.Join(dir, "sensorgate"), filepath.Join(dir, "sensorgate.deb")
	script := "umask " + umask + ` &&
		go build -trimpath -buildvcs=false -ldflags '-s -w -X main.release=v1.2.0-rc.1' -o "$1" ../cmd/sensorgate &&
		deb/build.sh "$1" "$1" "$2" any v1.2.0-rc.1 "$3"`
	cmd := exec.Command("bash", "-c", script, "build", binary, runtime.GOARCH, deb)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "SOURCE_DATE_EPOCH=1767225600", "DEB_COMPRESSION=none", "TZ="+tz)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return deb
}

// lookAtSources makes the result depend on all that goes into the package: go test
// repeats a result from its cache until a file changes that the test itself looked at,
// and what the build script reads does not count.
func lookAtSources(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"../cmd", "../internal", "../broker", "../bridge", "../drivers", "../docs", "../configs", "."} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

var builtIn string // the folder of program, once it is built

var builtOnce = sync.OnceValues(func() (path string, err error) {
	if builtIn, err = os.MkdirTemp("", "sensorgate"); err != nil {
		return "", err
	}
	path = filepath.Join(builtIn, "sensorgate")
	build := exec.Command("go", "build", "-o", path, "../cmd/sensorgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	out, err := build.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, err
})

// program is the program of this tree, built once for all tests here.
func program(t *testing.T) string {
	t.Helper()
	lookAtSources(t)
	path, err := builtOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPackage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deb := buildPackage(t, dir, "UTC", "022")
	t.Run("same input, same bytes", func(t *testing.T) { samebytes(t, deb) })
	t.Run("contents", func(t *testing.T) { contents(t, deb) })
	t.Run("links", func(t *testing.T) { links(t, deb) })
	t.Run("lintian", func(t *testing.T) { lintian(t, deb) })
	t.Run("repository", func(t *testing.T) { repository(t, deb) })
	t.Run("lifecycle", func(t *testing.T) { lifecycle(t, deb) })
}

// Elsewhere, later, in another time zone and with another umask. (make reproducible
// adds: from a clone at another path, with an empty build cache.)
func samebytes(t *testing.T, deb string) {
	if testing.Short() {
		t.Skip("builds the package a second time")
	}
	again := buildPackage(t, t.TempDir(), "Pacific/Kiritimati", "077")
	a, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two builds differ; where: diffoscope, or compare dpkg-deb -c and the members of ar x")
	}
}

func contents(t *testing.T, deb string) {
	list := run(t, "dpkg-deb", "-c", deb)
	for _, path := range []string{
		"./usr/bin/sensorgate", "./usr/lib/systemd/system/sensorgate.service", "./usr/lib/systemd/system/sensorgate-i2c-reset.path", "./usr/lib/systemd/system/sensorgate-i2c-reset.service", "./usr/lib/sensorgate/i2c-reset", "./etc/sensorgate/sensorgate.toml",
		"./usr/lib/sysusers.d/sensorgate.conf", "./usr/lib/tmpfiles.d/sensorgate.conf", "./usr/lib/udev/rules.d/60-sensorgate.rules",
		"./usr/share/man/man1/sensorgate.1.gz", "./usr/share/bash-completion/completions/sensorgate",
		"./usr/share/doc/sensorgate/reference.toml.gz", "./usr/share/doc/sensorgate/first-hour.md", "./usr/share/doc/sensorgate/examples/minimal.toml",
		"./usr/share/doc/sensorgate/topics.md", "./usr/share/doc/sensorgate/serial.md", "./usr/share/doc/sensorgate/hardware.md",
		"./usr/share/doc/sensorgate/NEWS.gz", "./usr/share/man/man5/sensorgate.toml.5.gz",
		"./usr/share/doc/sensorgate/copyright", "./usr/share/doc/sensorgate/sbom.cdx.json.gz",
	} {
		if !strings.Contains(list, " "+path+"\n") {
			t.Errorf("%s is not in the package", path)
		}
	}
	for line := range strings.Lines(list) {
		f := strings.Fields(line)
		if f[1] != "root/root" || !slices.Contains([]string{"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"}, f[0]) {
			t.Errorf("owner or mode: %s", line)
		}
	}
	for field, want := range map[string]string{"Version": "1.2.0~rc.1", "Architecture": runtime.GOARCH} {
		if got := strings.TrimSpace(run(t, "dpkg-deb", "-f", deb, field)); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	root := t.TempDir()
	run(t, "dpkg-deb", "-x", deb, root)
	if got := run(t, filepath.Join(root, "usr/bin/sensorgate"), "version"); !strings.HasPrefix(got, "sensorgate version v1.2.0-rc.1 ") {
		t.Errorf("the installed program prints %q", got)
	}
	modulesAreNamed(t, root)
}

// modulesAreNamed compares what is linked, as the go command sees it, with the bill
// of materials and the licence texts in the package.
func modulesAreNamed(t *testing.T, root string) {
	doc := filepath.Join(root, "usr/share/doc/sensorgate")
	copyright, err := os.ReadFile(filepath.Join(doc, "copyright"))
	if err != nil {
		t.Fatal(err)
	}
	sbom := run(t, "gzip", "-dc", filepath.Join(doc, "sbom.cdx.json.gz"))
	linked := 0
	for line := range strings.Lines(run(t, "go", "version", "-m", filepath.Join(root, "usr/bin/sensorgate"))) {
		f := strings.Fields(line)
		if f[0] != "dep" {
			continue
		}
		linked++
		if !bytes.Contains(copyright, fmt.Appendf(nil, "==== %s %s ", f[1], f[2])) {
			t.Errorf("copyright lacks the licence of %s", f[1])
		}
		if purl := `"purl": "pkg:golang/` + f[1] + "@" + strings.ReplaceAll(f[2], "+", "%2B") + `"`; !strings.Contains(sbom, purl) {
			t.Errorf("the bill of materials lacks %s", purl)
		}
	}
	if linked == 0 {
		t.Error("go version -m names no module")
	}
}

// lifecycle is installation, upgrade, removal and purge by the real dpkg with the real
// maintainer scripts, in a scratch root. There the programs of the system that the
// scripts call only write down that they were called.
func lifecycle(t *testing.T, deb string) {
	if os.Getuid() != 0 {
		t.Skip("dpkg runs maintainer scripts in a chroot: needs root")
	}
	r := newScratchRoot(t)
	before := r.files()

	r.dpkg("-i", deb)
	r.called("systemd-sysusers sensorgate.conf", "systemd-tmpfiles --create sensorgate.conf",
		"udevadm control --reload", "deb-systemd-helper enable sensorgate.service",
		"systemctl --system daemon-reload", "deb-systemd-invoke start sensorgate.service")

	// A year later: the file was edited, the store is full of readings.
	const edited = "node = \"barn-pi\"\n\n[broker]\nlisten = [\"tcp://127.0.0.1:1883\"]\n"
	r.write("etc/sensorgate/sensorgate.toml", edited)
	r.write("etc/sensorgate/credentials/cloud", "secret")
	r.write("var/lib/sensorgate/journal/00000001.seg", "readings")

	r.dpkg("--force-confold", "-i", r.newerVersion(deb)) // as unattended-upgrades does it
	r.called("deb-systemd-invoke restart sensorgate.service")
	r.notCalled("deb-systemd-invoke stop") // the old one works until the new one is there
	r.has("etc/sensorgate/sensorgate.toml", edited)
	r.has("var/lib/sensorgate/journal/00000001.seg", "readings")

	r.dpkg("-r", "sensorgate")
	r.called("deb-systemd-invoke stop sensorgate.service")
	r.has("etc/sensorgate/sensorgate.toml", edited)
	r.has("var/lib/sensorgate/journal/00000001.seg", "readings")
	if _, err := os.Stat(filepath.Join(r.dir, "usr/bin/sensorgate")); err == nil {
		t.Error("the program is still there after remove")
	}

	r.dpkg("-P", "sensorgate")
	r.called("deb-systemd-helper purge sensorgate.service", "userdel sensorgate", "groupdel sensorgate")
	if left := slices.DeleteFunc(r.files(), func(p string) bool { return slices.Contains(before, p) }); len(left) > 0 {
		t.Errorf("purge left %v", left)
	}
}

// scratchRoot is a system of busybox and stubs.
type scratchRoot struct {
	t   *testing.T
	dir string
}

func newScratchRoot(t *testing.T) *scratchRoot {
	tool(t, "dpkg")
	busybox := tool(t, "busybox")
	r := &scratchRoot{t, t.TempDir()}
	for _, dir := range []string{"bin", "usr/bin", "var/lib/dpkg/info", "var/lib/dpkg/updates", "run/systemd/system", "run/udev", "dev"} {
		if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.write("var/lib/dpkg/status", "")
	r.write("dev/null", "") // a plain file is enough for >/dev/null
	run(t, "cp", "-L", busybox, filepath.Join(r.dir, "bin/busybox"))
	for _, applet := range []string{"sh", "rm", "uname"} {
		if err := os.Symlink("busybox", filepath.Join(r.dir, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	if err := exec.Command("chroot", r.dir, "/bin/sh", "-c", "true").Run(); err != nil {
		t.Skipf("no chroot with busybox: %v (is it static? Debian package busybox-static)", err)
	}
	for _, name := range []string{"systemd-sysusers", "systemd-tmpfiles", "udevadm", "systemctl", "deb-systemd-helper", "deb-systemd-invoke", "getent", "userdel", "groupdel"} {
		r.write("usr/bin/"+name, "#!/bin/sh\necho \"${0##*/} $*\" >>/calls\n")
		if err := os.Chmod(filepath.Join(r.dir, "usr/bin", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.write("calls", "")
	return r
}

// dpkg acts on the root, with an empty record of calls before it.
func (r *scratchRoot) dpkg(args ...string) {
	r.t.Helper()
	r.write("calls", "")
	cmd := exec.Command("dpkg", append([]string{"--root=" + r.dir, "--force-depends", "--force-not-root"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("dpkg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (r *scratchRoot) calls() string {
	out, err := os.ReadFile(filepath.Join(r.dir, "calls"))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(out)
}

func (r *scratchRoot) called(want ...string) {
	r.t.Helper()
	got := r.calls()
	for _, w := range want {
		if !strings.Contains(got, w) {
			r.t.Errorf("%q was not called; what was:\n%s", w, got)
		}
	}
}

func (r *scratchRoot) notCalled(what string) {
	r.t.Helper()
	if got := r.calls(); strings.Contains(got, what) {
		r.t.Errorf("%q was called:\n%s", what, got)
	}
}

func (r *scratchRoot) write(path, text string) {
	r.t.Helper()
	full := filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *scratchRoot) has(path, want string) {
	r.t.Helper()
	got, err := os.ReadFile(filepath.Join(r.dir, path))
	if err != nil || string(got) != want {
		r.t.Errorf("%s: %q, %v; want it as it was left", path, got, err)
	}
}

// files lists all but the records of dpkg and of the stubs.
func (r *scratchRoot) files() (paths []string) {
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(r.dir, path)
		if err == nil && !d.IsDir() && !strings.HasPrefix(rel, "var/lib/dpkg/") {
			paths = append(paths, rel)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return paths
}

// newerVersion is the same package with a higher number and a changed conffile, as
// after a release that has more examples in it.
func (r *scratchRoot) newerVersion(deb string) string {
	r.t.Helper()
	work := filepath.Join(r.t.TempDir(), "work")
	run(r.t, "dpkg-deb", "-R", deb, work)
	control := filepath.Join(work, "DEBIAN/control")
	text, err := os.ReadFile(control)
	if err != nil {
		r.t.Fatal(err)
	}
	changed := strings.Replace(string(text), "Version: 1.2.0~rc.1", "Version: 1.2.0", 1)
	if err := os.WriteFile(control, []byte(changed), 0o644); err != nil {
		r.t.Fatal(err)
	}
	conffile, err := os.OpenFile(filepath.Join(work, "etc/sensorgate/sensorgate.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := conffile.WriteString("# one more example\n"); err != nil {
		r.t.Fatal(err)
	}
	conffile.Close()
	newer := filepath.Join(filepath.Dir(work), "newer.deb")
	run(r.t, "dpkg-deb", "-Znone", "-b", work, newer)
	return newer
}

// The wrong ARM package must be refused with that reason, not end later with "illegal instruction".
func TestPreinstRefusesAnOlderCPU(t *testing.T) {
	script, err := os.ReadFile("deb/preinst")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		built, board string
		refused      bool
	}{
		{"armv7", "armv6l", true}, {"armv6", "armv5tel", true}, {"armv7", "armv5tejl", true},
		{"armv7", "armv7l", false}, {"armv7", "aarch64", false}, {"armv6", "armv6l", false}, {"any", "armv6l", false},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "uname"), fmt.Appendf(nil, "#!/bin/sh\necho %s\n", c.board), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(string(script), "@CPU@", c.built), "preinst", "install")
		cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
		out, err := cmd.CombinedOutput()
		if refused := err != nil; refused != c.refused {
			t.Errorf("package for %s on %s: refused %v, want %v: %s", c.built, c.board, refused, c.refused, out)
		}
	}
}

func TestScriptsAreCleanShell(t *testing.T) {
	scripts := []string{"deb/preinst", "deb/postinst", "deb/prerm", "deb/postrm", "i2creset/i2c-reset", "deb/build.sh", "deb/repository.sh", "tarball.sh", "needs.sh", "version.sh", "reproducible.sh"}
	for _, s := range scripts {
		if strings.HasSuffix(s, ".sh") {
			run(t, "bash", "-n", s)
		} else {
			run(t, "sh", "-n", s) // maintainer scripts are for dash
		}
	}
	if path, err := exec.LookPath("shellcheck"); err == nil {
		run(t, path, scripts...)
	}
}

// Two commits a second apart must sort, or apt takes the older one.
func TestVersionSorts(t *testing.T) {
	tool(t, "git")
	tool(t, "dpkg")
	repo := t.TempDir()
	if err := os.Mkdir(filepath.Join(repo, "deploy"), 0o755); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("version.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repo, "deploy/version.sh"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=t", "-c", "user.email=t@t"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_COMMITTER_DATE="+now.Format(time.RFC3339))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		now = now.Add(time.Second)
	}
	version := func() string {
		t.Helper()
		return strings.TrimSpace(run(t, filepath.Join(repo, "deploy/version.sh")))
	}
	if got := version(); got != "v0.0.0-devel" {
		t.Errorf("without a repository %q, want v0.0.0-devel", got)
	}
	git("init", "-q")
	git("add", ".")
	var versions []string
	for _, tag := range []string{"", "", "v1.0.0-rc.1", "v1.0.0", "", "v1.0.1"} {
		git("commit", "-q", "--allow-empty", "-m", "x")
		if tag != "" {
			git("tag", tag)
		}
		versions = append(versions, version())
	}
	for i := 1; i < len(versions); i++ {
		older, newer := debian(versions[i-1]), debian(versions[i])
		if err := exec.Command("dpkg", "--compare-versions", older, "lt", newer).Run(); err != nil {
			t.Errorf("%s does not sort before %s", older, newer)
		}
	}
	if !strings.HasPrefix(versions[4], "v1.0.0+20260102") {
		t.Errorf("after the tag %q, want v1.0.0+ and the time", versions[4])
	}
}

// debian is what build.sh makes of a version.
func debian(version string) string {
	return strings.Replace(strings.TrimPrefix(version, "v"), "-", "~", 1)
}
