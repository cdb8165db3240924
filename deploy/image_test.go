package deploy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// emulators run the program of another processor in its own root.
var emulators = map[string]string{"arm": "qemu-arm-static", "arm64": "qemu-aarch64-static"}

// The image starts as a container engine would start it: its layer as the root, in
// namespaces of its own, as its user; values come out of it, they are kept, and it ends when it is asked to.
// IMAGES names a folder with images that were made already: make image-test.
func TestImageStarts(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("skipped: a root of its own takes root")
	}
	if made := os.Getenv("IMAGES"); made != "" {
		images, err := filepath.Glob(filepath.Join(made, "sensorgate-image-*.tar"))
		if err != nil || len(images) != 4 {
			t.Fatalf("%d images in %s, %v", len(images), made, err)
		}
		for _, image := range images {
			t.Run(filepath.Base(image), func(t *testing.T) { startImage(t, image) })
		}
		return
	}
	roots := filepath.Join(t.TempDir(), "roots")
	if err := os.WriteFile(roots, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	make := func() []byte {
		cmd := exec.Command("go", "run", "./image", "-version", "v1.2.0+1", "-platform", "linux/"+runtime.GOARCH, "-roots", roots, program(t))
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1767225600")
		cmd.Stderr = t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	image := filepath.Join(t.TempDir(), "image.tar")
	first := make()
	if !bytes.Equal(first, make()) {
		t.Error("the same program makes another image")
	}
	if err := os.WriteFile(image, first, 0o600); err != nil {
		t.Fatal(err)
	}
	startImage(t, image)
}

func startImage(t *testing.T, image string) {
	root, err := os.MkdirTemp("", "image") // short: a socket's path has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	config := unpackImage(t, image, root)
	const file = "node = \"box\"\nbroker.listen = [\"unix:///var/lib/sensorgate/mqtt.sock\"]\n" +
		"[device.attic]\ndriver = \"sim\"\nevery = \"1s\"\nchannels.x = { shape = \"counter\", retain = true }\n"
	if err := os.WriteFile(filepath.Join(root, "etc/sensorgate/sensorgate.toml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append(config.Config.Entrypoint, config.Config.Cmd...)
	if config.Architecture != runtime.GOARCH {
		run(t, "cp", tool(t, emulators[config.Architecture]), filepath.Join(root, "emulator"))
		args = append([]string{"/emulator"}, args...)
	}
	var uid, gid uint32
	if n, err := fmt.Sscanf(config.Config.User, "%d:%d", &uid, &gid); n != 2 || uid == 0 {
		t.Fatalf("the image runs as %q: %v", config.Config.User, err)
	}
	cmd := &exec.Cmd{Path: args[0], Args: args, Env: config.Config.Env, Dir: config.Config.WorkingDir, Stderr: t.Output(), SysProcAttr: &syscall.SysProcAttr{
		Chroot: root, Credential: &syscall.Credential{Uid: uid, Gid: gid}, Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET,
	}}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) {
		t.Skip("skipped: no namespaces here:", err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	socket := filepath.Join(root, "var/lib/sensorgate/mqtt.sock")
	waitFor(t, socket)
	if got := run(t, program(t), "sub", "--unix", socket, "-t", "box/attic/x", "-C", "2", "-W", "120"); strings.Count(got, `"value":`) != 2 {
		t.Errorf("from the container comes %q", got)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("asked to stop, it ends with %v", err)
	}
	if info, err := os.Stat(filepath.Join(root, "var/lib/sensorgate/00001.seg")); err != nil || info.Sys().(*syscall.Stat_t).Uid != uid {
		t.Errorf("its journal: %v, %v", info, err)
	}
}

// imageConfig is what an engine reads of an image.
type imageConfig struct {
	Architecture string
	Config       struct {
		User, WorkingDir     string
		Entrypoint, Cmd, Env []string
	}
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// unpackImage lays out the image's file system, and holds all that refers to something
// against its digest.
func unpackImage(t *testing.T, image, root string) (config imageConfig) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	each(t, f, func(h *tar.Header, content []byte) { files[h.Name] = content })
	type ref struct{ Digest string }
	blob := func(r ref) []byte {
		b := files["blobs/"+strings.Replace(r.Digest, ":", "/", 1)]
		if r.Digest != digestOf(b) {
			t.Fatalf("%s is not what its name says", r.Digest)
		}
		return b
	}
	decode := func(b []byte, v any) {
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	var index struct {
		Manifests []struct {
			ref
			Annotations map[string]string
		}
	}
	decode(files["index.json"], &index)
	var manifest struct {
		Config ref
		Layers []ref
	}
	decode(blob(index.Manifests[0].ref), &manifest)
	decode(blob(manifest.Config), &config)
	var docker []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	decode(files["manifest.json"], &docker)
	// The name that docs/install.md runs, whoever loads it: docker, containerd, podman.
	names := index.Manifests[0].Annotations
	if name := docker[0].RepoTags[0]; !strings.HasPrefix(name, "sensorgate:") || names["org.opencontainers.image.ref.name"] != name || names["io.containerd.image.name"] != "docker.io/library/"+name {
		t.Errorf("docker calls it %s, others by %v", name, names)
	}
	if files[docker[0].Config] == nil || files[docker[0].Layers[0]] == nil {
		t.Errorf("docker load misses %v", docker)
	}
	z, err := gzip.NewReader(bytes.NewReader(blob(manifest.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || digestOf(plain) != config.RootFS.DiffIDs[0] {
		t.Fatalf("the layer is %s, want %s: %v", digestOf(plain), config.RootFS.DiffIDs[0], err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	each(t, bytes.NewReader(plain), func(h *tar.Header, content []byte) {
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, 0o755)
		} else {
			err = os.WriteFile(path, content, 0o644)
		}
		if err := errors.Join(err, os.Chown(path, h.Uid, h.Gid), os.Chmod(path, h.FileInfo().Mode())); err != nil {
			t.Fatal(err)
		}
	})
	return config
}

func each(t *testing.T, r io.Reader, f func(h *tar.Header, content []byte)) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		f(h, content)
	}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
