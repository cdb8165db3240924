package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// options are what an image is made of.
type options struct {
	version, platform string
	program, roots    []byte
	made              time.Time // of the sources: stands in the image and on its files
}

// user is the one that distroless images run as, so that volumes are interchangeable; no
// file of the image belongs to it but the store.
const user = 65532

// The media types of the OCI image specification 1.1.
const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// write writes the archive.
func write(w io.Writer, o *options) error {
	plain, err := layer(o)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.DefaultCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(plain); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	config, err := o.config(digest(plain))
	if err != nil {
		return err
	}
	a := archive{w: tar.NewWriter(w), made: o.made}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest,
		"config": a.blob(typeConfig, config), "layers": []any{a.blob(typeLayer, packed.Bytes())},
	})
	if err != nil {
		return err
	}
	index := a.blob(typeManifest, manifest)
	// podman and skopeo take the name of the first, containerd that of the second.
	index["annotations"] = map[string]string{
		"org.opencontainers.image.ref.name": "sensorgate:" + o.tag(), "io.containerd.image.name": "docker.io/library/sensorgate:" + o.tag(),
	}
	index["platform"] = o.parts()
	a.json("index.json", map[string]any{"schemaVersion": 2, "manifests": []any{index}})
	a.json("oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"})
	a.json("manifest.json", []any{map[string]any{ // what docker load reads before version 25
		"Config": path(digest(config)), "RepoTags": []string{"sensorgate:" + o.tag()}, "Layers": []string{path(digest(packed.Bytes()))},
	}})
	return a.close()
}

// tag is the version as a tag may be written: + is not allowed in one.
func (o *options) tag() string {
	return strings.ReplaceAll(strings.TrimPrefix(o.version, "v"), "+", "-")
}

// parts is the platform as OCI writes it.
func (o *options) parts() map[string]string {
	p := strings.Split(o.platform, "/")
	m := map[string]string{"os": p[0], "architecture": p[1]}
	if len(p) > 2 {
		m["variant"] = p[2]
	}
	return m
}

func (o *options) config(layer string) ([]byte, error) {
	c := map[string]any{
		"created": o.made.Format(time.RFC3339),
		"config": map[string]any{
			"User":         fmt.Sprintf("%d:%d", user, user),
			"Entrypoint":   []string{"/usr/bin/sensorgate"},
			"Cmd":          []string{"run", "--config", "/etc/sensorgate/sensorgate.toml"},
			"Env":          []string{"PATH=/usr/bin", "GOMEMLIMIT=80MiB"}, // as the unit sets it
			"WorkingDir":   "/",
			"Volumes":      map[string]any{"/var/lib/sensorgate": struct{}{}},
			"ExposedPorts": map[string]any{"1883/tcp": struct{}{}},
			"Labels":       map[string]string{"org.opencontainers.image.title": "sensorgate", "org.opencontainers.image.version": o.version, "org.opencontainers.image.licenses": "Apache-2.0"},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{layer}},
		"history": []any{map[string]any{"created": o.made.Format(time.RFC3339), "created_by": "sensorgate deploy/image"}},
	}
	for k, v := range o.parts() {
		c[k] = v
	}
	return json.Marshal(c)
}

// layer is the file system, as a tar.
func layer(o *options) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name string, mode int64, owner int, content []byte) error {
		h := &tar.Header{Name: name, Mode: mode, Uid: owner, Gid: owner, ModTime: o.made, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := w.Write(content)
		return err
	}
	for _, f := range []struct {
		name    string
		mode    int64
		owner   int
		content []byte
	}{
		{"etc/", 0o755, 0, nil},
		{"etc/passwd", 0o644, 0, fmt.Appendf(nil, "root:x:0:0::/:\nsensorgate:x:%d:%d::/var/lib/sensorgate:\n", user, user)},
		{"etc/group", 0o644, 0, fmt.Appendf(nil, "root:x:0:\nsensorgate:x:%d:\n", user)},
		{"etc/sensorgate/", 0o755, 0, nil},
		{"etc/ssl/", 0o755, 0, nil},
		{"etc/ssl/certs/", 0o755, 0, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, 0, o.roots},
		{"tmp/", 0o1777, 0, nil},
		{"usr/", 0o755, 0, nil},
		{"usr/bin/", 0o755, 0, nil},
		{"usr/bin/sensorgate", 0o755, 0, o.program},
		{"var/", 0o755, 0, nil},
		{"var/lib/", 0o755, 0, nil},
		{"var/lib/sensorgate/", 0o700, user, nil},
	} {
		if err := add(f.name, f.mode, f.owner, f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// archive is the tar file that is the image; it keeps the first error.
type archive struct {
	w    *tar.Writer
	made time.Time
	err  error
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// path is where a blob lies in the layout.
func path(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

// blob writes content under its digest, and returns its descriptor.
func (a *archive) blob(media string, content []byte) map[string]any {
	d := digest(content)
	a.file(path(d), content)
	return map[string]any{"mediaType": media, "digest": d, "size": len(content)}
}

func (a *archive) json(name string, v any) {
	text, err := json.Marshal(v)
	if err != nil && a.err == nil {
		a.err = err
	}
	a.file(name, text)
}

func (a *archive) file(name string, content []byte) {
	if a.err != nil {
		return
	}
	if a.err = a.w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: a.made, Typeflag: tar.TypeReg}); a.err == nil {
		_, a.err = a.w.Write(content)
	}
}

func (a *archive) close() error {
	if a.err != nil {
		return a.err
	}
	return a.w.Close()
}
