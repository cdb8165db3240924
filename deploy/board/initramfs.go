package board

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed init.sh
var initScript []byte

// initramfs writes the small machine's file system: busybox, /init, and under /t the
// program to run with its files, and the kernel's modules.
func initramfs(w io.Writer, busybox, kernel string, c Config) error {
	b := bufio.NewWriter(w)
	a := archive{w: b}
	for _, dir := range []string{"bin", "sbin", "dev", "proc", "sys", "tmp", "run", "etc", "root", "host", "data", "t"} {
		a.add(dir, 0o40755, nil)
	}
	a.addFile("bin/busybox", busybox)
	a.add("init", 0o100755, initScript)
	a.add("etc/passwd", 0o100644, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	a.add("etc/group", 0o100644, []byte("root:x:0:\n"))
	if c.Program != "" {
		a.addFile("t/prog", c.Program)
		a.add("t/run", 0o100755, runScript(c))
	}
	loaded := modules(kernel, c)
	for _, f := range slices.Concat(c.Files, loaded) {
		a.addFile("t/"+filepath.Base(f), f)
	}
	var list strings.Builder
	for _, f := range loaded {
		list.WriteString(filepath.Base(f) + "\n")
	}
	a.add("t/modules.list", 0o100644, []byte(list.String()))
	a.add("TRAILER!!!", 0, nil)
	if a.err != nil {
		return a.err
	}
	return b.Flush()
}

// modules are what has to be loaded into a kernel that is not ours, in its order: modules.list in the kernel's folder
// names them, and modules-FS.list those of a file system that ours has built in, or has not.
func modules(kernel string, c Config) (files []string) {
	dir := filepath.Dir(kernel)
	lists := []string{"modules.list"}
	if c.DataMB > 0 {
		lists = append(lists, "modules-"+c.DataFS+".list")
	}
	for _, list := range lists {
		text, err := os.ReadFile(filepath.Join(dir, list))
		if err != nil {
			continue // ours has everything built in
		}
		for _, name := range strings.Fields(string(text)) {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files
}

// runScript sets the environment and becomes the program.
func runScript(c Config) []byte {
	var b bytes.Buffer
	for _, e := range c.Env {
		k, v, _ := strings.Cut(e, "=")
		fmt.Fprintf(&b, "export %s=%s\n", k, shellQuote(v))
	}
	b.WriteString("exec /t/prog")
	for _, arg := range c.Args {
		b.WriteString(" " + shellQuote(arg))
	}
	b.WriteString("\n")
	return b.Bytes()
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// archive writes the cpio format that the kernel unpacks: "newc",
// Documentation/driver-api/early-userspace/buffer-format.rst.
type archive struct {
	w   io.Writer
	ino int
	err error
}

func (a *archive) addFile(name, path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		a.err = cmpErr(a.err, err)
		return
	}
	a.add(name, 0o100755, b)
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func (a *archive) add(name string, mode int, data []byte) {
	if a.err != nil {
		return
	}
	a.ino++
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
	_, a.err = a.w.Write(slices.Concat([]byte(head), pad(len(head)), data, pad(len(data))))
}

// pad fills up to a multiple of four.
func pad(n int) []byte { return make([]byte, (4-n%4)%4) }
