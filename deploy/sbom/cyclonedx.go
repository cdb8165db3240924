package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"
)

// The part of CycloneDX 1.5 that is used here; https://cyclonedx.org/docs/1.5/json/
type bom struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp  string     `json:"timestamp"`
	Component  component  `json:"component"`
	Properties []property `json:"properties"`
}

type component struct {
	Type     string    `json:"type"`
	Ref      string    `json:"bom-ref"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Hashes   []hash    `json:"hashes,omitempty"`
	Licenses []license `json:"licenses,omitempty"`
	PURL     string    `json:"purl"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

// license has one of the two: an expression for a choice of licences.
type license struct {
	License    *licenseID `json:"license,omitempty"`
	Expression string     `json:"expression,omitempty"`
}

type licenseID struct {
	ID string `json:"id"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

func writeBOM(w io.Writer, version string, info *debug.BuildInfo, mods []module, when time.Time) error {
	self := component{Type: "application", Name: "sensorgate", Version: version, PURL: purl("sensorgate", version), Licenses: licenses("Apache-2.0")}
	self.Ref = self.PURL
	doc := bom{Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{Timestamp: when.Format(time.RFC3339), Component: self, Properties: target(info)}}
	dep := dependency{Ref: self.Ref}
	for _, m := range mods {
		c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: purl(m.Path, m.Version), Licenses: licenses(m.License)}
		c.Ref = c.PURL
		if m.Sum != "" {
			h, err := sha256Of(m.Sum)
			if err != nil {
				return fmt.Errorf("%s: %w", m.Path, err)
			}
			c.Hashes = []hash{h}
		}
		doc.Components = append(doc.Components, c)
		dep.DependsOn = append(dep.DependsOn, c.Ref)
	}
	doc.Dependencies = []dependency{dep}
	// The serial number must differ between documents and be the same for the same
	// one: a UUID of the content (RFC 9562, version 8).
	content, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	doc.Serial = "urn:uuid:" + uuid(content)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

// target is what the binary was built for and how.
func target(info *debug.BuildInfo) []property {
	var props []property
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS", "GOARCH", "GOARM", "GOAMD64", "CGO_ENABLED", "-trimpath":
			props = append(props, property{"go:" + strings.TrimPrefix(s.Key, "-"), s.Value})
		}
	}
	return props
}

func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

func licenses(id string) []license {
	switch {
	case id == "":
		return nil
	case strings.Contains(id, " OR "):
		return []license{{Expression: id}}
	}
	return []license{{License: &licenseID{id}}}
}

// sha256Of turns go.sum's "h1:" base64 into what CycloneDX wants. It is the hash of
// the module's file list, as cyclonedx-gomod writes it too.
func sha256Of(sum string) (hash, error) {
	b64, ok := strings.CutPrefix(sum, "h1:")
	raw, err := base64.StdEncoding.DecodeString(b64)
	if !ok || err != nil || len(raw) != sha256.Size {
		return hash{}, fmt.Errorf("checksum %q: expected h1: and 32 bytes", sum)
	}
	return hash{"SHA-256", fmt.Sprintf("%x", raw)}, nil
}

func uuid(content []byte) string {
	b := sha256.Sum256(content)
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
