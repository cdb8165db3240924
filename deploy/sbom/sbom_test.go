package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestSha256Of(t *testing.T) {
	// From go.sum; the hexadecimal form by base64 -d | xxd -p.
	h, err := sha256Of("h1:DMTTonx5m65Ic0GOoRY2c16WCbHxOOw6xxezuLaBpcU=")
	if want := "0cc4d3a27c799bae4873418ea11636735e9609b1f138ec3ac717b3b8b681a5c5"; err != nil || h.Content != want {
		t.Errorf("got %+v, %v, want %s", h, err, want)
	}
	for _, bad := range []string{"", "h2:DMTT", "h1:DMTT", "h1:*"} {
		if _, err := sha256Of(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestRecognise(t *testing.T) {
	for text, want := range map[string]string{
		"Permission is hereby granted,\n  free of charge, to any person":                                   "MIT",
		"Redistributions in binary form must reproduce the above\nNeither the name of Google":              "BSD-3-Clause",
		"Redistributions in binary form must reproduce the above copyright notice.":                        "BSD-2-Clause",
		"                                 Apache License\n                           Version 2.0, January": "Apache-2.0",
		"GNU GENERAL PUBLIC LICENSE\nVersion 3":                                                            "", // stops the build
	} {
		file := filepath.Join(t.TempDir(), "LICENSE")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := recognise([]string{file}); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestLicenceFileIsAMust(t *testing.T) {
	if _, err := licenseFiles(t.TempDir()); err == nil {
		t.Error("a module without a licence file was accepted")
	}
}

// The same input is the same document; another input has another serial number.
func TestBOMIsReproducible(t *testing.T) {
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "GOARCH", Value: "arm"}, {Key: "GOARM", Value: "6"}, {Key: "-ldflags", Value: "-s"}}}
	mods := []module{{Path: "std", Version: "1.26.0", License: "BSD-3-Clause"},
		{Path: "github.com/x/y", Version: "v1.0.0+incompatible", Sum: "h1:DMTTonx5m65Ic0GOoRY2c16WCbHxOOw6xxezuLaBpcU=", License: "EPL-2.0 OR BSD-3-Clause"}}
	write := func(version string) string {
		var b bytes.Buffer
		if err := writeBOM(&b, version, info, mods, time.Unix(1767225600, 0).UTC()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	first := write("v1.0.0")
	if again := write("v1.0.0"); again != first {
		t.Error("the same input gave another document")
	}
	var a, b bom
	if err := json.Unmarshal([]byte(first), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(write("v1.0.1")), &b); err != nil {
		t.Fatal(err)
	}
	if a.Serial == b.Serial {
		t.Errorf("two versions share the serial number %s", a.Serial)
	}
	if a.Metadata.Timestamp != "2026-01-01T00:00:00Z" || a.Components[1].PURL != "pkg:golang/github.com/x/y@v1.0.0%2Bincompatible" ||
		a.Components[1].Licenses[0].Expression != "EPL-2.0 OR BSD-3-Clause" || len(a.Metadata.Properties) != 2 {
		t.Errorf("document: %s", first)
	}
	if got := a.Dependencies[0]; got.Ref != a.Metadata.Component.Ref || strings.Join(got.DependsOn, " ") != a.Components[0].Ref+" "+a.Components[1].Ref {
		t.Errorf("dependencies: %+v", got)
	}
}
