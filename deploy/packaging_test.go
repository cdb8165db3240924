package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var pageLink = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// links: what a page in the package links to is in the package, beside it.
func links(t *testing.T, deb string) {
	fileOfAClone := regexp.MustCompile(`\b(?:deploy/(?:grafana|nodered|telegraf)|configs/)[\w./-]*`)
	shippedExample := regexp.MustCompile(`\bexamples/[\w./-]*\w`)
	root := t.TempDir()
	run(t, "dpkg-deb", "-x", deb, root)
	pages, err := filepath.Glob(filepath.Join(root, "usr/share/doc/sensorgate/*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pageLink.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), string(m[1]))); err != nil {
				t.Errorf("%s links to %s, which is not in the package", filepath.Base(page), m[1])
			}
		}
		for _, name := range fileOfAClone.FindAll(text, -1) {
			t.Errorf("%s names %s, which is not in the package", filepath.Base(page), name)
		}
		for _, name := range shippedExample.FindAll(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), string(name))); err != nil {
				t.Errorf("%s names %s, which is not in the package", filepath.Base(page), name)
			}
		}
	}
}

// lintian is Debian's judge of packages; what it may say is argued in deb/lintian-overrides.
func lintian(t *testing.T, deb string) {
	path, err := exec.LookPath("lintian")
	if err != nil {
		t.Skip("skipped: no lintian here (Debian package lintian)")
	}
	args := []string{"--tag-display-limit", "0", "--pedantic", "-I", "--suppress-tags", "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball", deb}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "E:") || strings.HasPrefix(line, "W:") || strings.HasPrefix(line, "I:") || strings.HasPrefix(line, "P:") {
			t.Error(line)
		}
	}
}

// repository: apt itself updates from what make release lays out, and finds the package;
// with a key it checks the signature.
func repository(t *testing.T, deb string) {
	for _, name := range []string{"apt-get", "dpkg-scanpackages", "gpg"} {
		tool(t, name)
	}
	dir := t.TempDir()
	run(t, "cp", deb, filepath.Join(dir, "sensorgate_amd64.deb"))
	home := filepath.Join(dir, "gnupg")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	with := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home, "SOURCE_DATE_EPOCH=1767323045", "SIGN_KEY=release@sensorgate.invalid")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	with("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "release@sensorgate.invalid", "default", "sign", "never")
	defer with("gpgconf", "--homedir", home, "--kill", "all")
	with("deb/repository.sh", filepath.Join(dir, "apt"), dir)
	with("gpg", "--output", filepath.Join(dir, "key.gpg"), "--export", "release@sensorgate.invalid")

	apt := func(options string) (string, error) {
		state := filepath.Join(t.TempDir(), "state")
		for _, d := range []string{"lists/partial", "cache/archives/partial"} {
			if err := os.MkdirAll(filepath.Join(state, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		list := fmt.Sprintf("deb [%s] file:%s stable main\n", options, filepath.Join(dir, "apt"))
		if err := os.WriteFile(filepath.Join(state, "sources.list"), []byte(list), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "touch", filepath.Join(state, "status"))
		common := []string{"-o", "Dir::State=" + state, "-o", "Dir::State::status=" + filepath.Join(state, "status"), "-o", "Dir::State::lists=" + filepath.Join(state, "lists"),
			"-o", "Dir::Cache=" + filepath.Join(state, "cache"), "-o", "Dir::Etc::sourcelist=" + filepath.Join(state, "sources.list"), "-o", "Dir::Etc::sourceparts=-",
			"-o", "APT::Sandbox::User=root", "-o", "APT::Architecture=amd64"}
		out, err := exec.Command("apt-get", append(common, "--error-on=any", "update")...).CombinedOutput()
		if err != nil {
			return string(out), err
		}
		out, err = exec.Command("apt-cache", append(common, "policy", "sensorgate")...).CombinedOutput()
		return string(out), err
	}
	if out, err := apt("signed-by=" + filepath.Join(dir, "key.gpg")); err != nil || !strings.Contains(out, "Candidate: 1.2.0~rc.1") {
		t.Errorf("apt does not find the package: %v\n%s", err, out)
	}
	index := filepath.Join(dir, "apt/dists/stable/main/binary-amd64/Packages")
	if err := os.WriteFile(index, []byte("Package: evil\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(index + ".gz"); err != nil {
		t.Fatal(err)
	}
	if out, err := apt("signed-by=" + filepath.Join(dir, "key.gpg")); err == nil && strings.Contains(out, "evil") {
		t.Errorf("apt takes an index that was changed after it was signed:\n%s", out)
	}
}

// TestReleaseTarball: for systems without dpkg everything that the package has is in one
// archive, with the steps of docs/install.md in it, and the same input makes the same bytes.
func TestReleaseTarball(t *testing.T) {
	tool(t, "tar")
	dir := t.TempDir()
	binary := program(t)
	t.Setenv("SOURCE_DATE_EPOCH", "1767323045")
	one, two := filepath.Join(dir, "one.tar.gz"), filepath.Join(dir, "two.tar.gz")
	run(t, "./tarball.sh", binary, binary, "v1.2.0", one)
	run(t, "./tarball.sh", binary, binary, "v1.2.0", two)
	run(t, "cmp", one, two)
	list := run(t, "tar", "-tzf", one)
	page, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\bdeploy/[\w.-]+`).FindAllString(string(page), -1)
	for _, file := range append(named, "sensorgate", "LICENSE", "README.md", "docs/install.md", "man/sensorgate.toml.5", "licenses.txt") {
		if !strings.Contains(list, "sensorgate-1.2.0/"+strings.TrimSuffix(file, "/")) {
			t.Errorf("%s is not in the archive", file)
		}
	}
}
