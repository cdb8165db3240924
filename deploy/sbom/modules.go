package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// module is one outside module that is linked into the binary.
type module struct {
	Path, Version, Sum string
	License            string // SPDX id or expression
	files              []string
}

// linked lists the modules of a binary, and Go's standard library as the first.
func linked(info *debug.BuildInfo) ([]module, error) {
	dirs, err := moduleDirs()
	if err != nil {
		return nil, err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	mods := []module{{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	if mods[0].files, err = licenseFiles(string(bytes.TrimSpace(goroot))); err != nil {
		return nil, err
	}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		m := module{Path: d.Path, Version: d.Version, Sum: d.Sum}
		dir := dirs[d.Path+"@"+d.Version]
		if dir == "" {
			return nil, fmt.Errorf("%s@%s: not in the module cache (try: go mod download)", d.Path, d.Version)
		}
		if m.files, err = licenseFiles(dir); err != nil {
			return nil, err
		}
		mods = append(mods, m)
	}
	for i := range mods {
		m := &mods[i]
		if m.License, err = recognise(m.files); err != nil {
			return nil, err
		}
		if m.License == "" {
			return nil, fmt.Errorf("%s@%s: licence not recognised; may it be shipped? Then add it to phrases", m.Path, m.Version)
		}
	}
	return mods, nil
}

// moduleDirs is where the module cache keeps each path@version.
func moduleDirs() (map[string]string, error) {
	out, err := exec.Command("go", "list", "-m", "-json", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	dirs := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Version, Dir string }
		if err := dec.Decode(&m); err == io.EOF {
			return dirs, nil
		} else if err != nil {
			return nil, err
		}
		dirs[m.Path+"@"+m.Version] = m.Dir
	}
}

// licenseFiles are the files that the licences ask to be passed on.
func licenseFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if !e.IsDir() && slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS", "EDL-"}, func(p string) bool {
			return strings.HasPrefix(name, p)
		}) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no licence file; may it be shipped at all?", dir)
	}
	return files, nil
}

// phrases are sentences that only one licence has. Paho is under two, of which the
// BSD-like one is taken.
var phrases = []struct{ id, text string }{
	{"EPL-2.0 OR BSD-3-Clause", "Eclipse Public License - v 2.0"},
	{"Apache-2.0", "Apache License Version 2.0"},
	{"BSD-3-Clause", "Neither the name of"},
	{"BSD-2-Clause", "Redistributions in binary form must reproduce"},
	{"MIT", "Permission is hereby granted, free of charge"},
}

func recognise(files []string) (string, error) {
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		flat := strings.Join(strings.Fields(string(text)), " ")
		for _, p := range phrases {
			if strings.Contains(flat, p.text) {
				return p.id, nil
			}
		}
	}
	return "", nil
}

// apacheTerms is where the terms of the Apache License begin and end in its file; behind
// them some projects have their own notice.
var apacheTerms = regexp.MustCompile(`(?s)^\s*Apache License\s+Version 2\.0, January 2004\s.*?(?:END OF TERMS AND CONDITIONS|\z)\s*(APPENDIX: How to apply.*?limitations under the License\.)?`)

// shortened leaves out the terms of the Apache License, which every Debian has: policy
// 12.5 asks for the reference instead. Whoever ships the file elsewhere adds LICENSE.
func shortened(text []byte) []byte {
	return bytes.TrimSpace(apacheTerms.ReplaceAll(text, []byte("Apache License, version 2.0: /usr/share/common-licenses/Apache-2.0\n")))
}

func writeLicenses(w io.Writer, mods []module) error {
	for _, m := range mods {
		for _, f := range m.files {
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "==== %s %s (%s)\n\n%s\n\n", m.Path, m.Version, filepath.Base(f), shortened(bytes.TrimSpace(text))); err != nil {
				return err
			}
		}
	}
	return nil
}
