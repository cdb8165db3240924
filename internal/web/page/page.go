package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed embedded
var embedded embed.FS

// assetsPath is where everything but index.html is served: below it stands the hash.
const assetsPath = "/assets/"

// asset is one file as it is sent.
type asset struct {
	kind   string // for Content-Type
	zipped []byte
}

// bundle is all files, by name.
type bundle struct {
	hash     string
	files    map[string]asset
	template string           // index.html
	style    string           // the source of the content security policy that allows its style
	texts    map[string]texts // of index.html, by language
}

// load reads the embedded files, once: they do not change while the program runs.
var load = sync.OnceValues(func() (*bundle, error) { return read(embedded, "embedded") })

func read(files fs.FS, dir string) (*bundle, error) {
	s := &bundle{files: map[string]asset{}}
	sum := sha256.New()
	err := fs.WalkDir(files, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		zipped, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		name = strings.TrimSuffix(strings.TrimPrefix(name, dir+"/"), ".gz")
		fmt.Fprintf(sum, "%s %d\n", name, len(zipped)) // writes to a hash never fail
		sum.Write(zipped)
		s.files[name] = asset{kind(name), zipped}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.hash = hex.EncodeToString(sum.Sum(nil))[:16]
	index, err := unzip(s.files["index.html"].zipped)
	if err != nil {
		return nil, fmt.Errorf("index.html: %w", err)
	}
	delete(s.files, "index.html")
	frame, err := unzip(s.files["frame.css"].zipped)
	if err != nil {
		return nil, fmt.Errorf("frame.css: %w", err)
	}
	delete(s.files, "frame.css")
	s.template = strings.Replace(string(index), "{{frame}}", string(frame), 1)
	allowed := sha256.Sum256(frame)
	s.style = "'sha256-" + base64.StdEncoding.EncodeToString(allowed[:]) + "'" // CSP 3, 8.3
	return s, s.readTexts()
}

// kind does not ask the machine, whose tables differ.
func kind(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func unzip(zipped []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Handle adds the page's routes to a mux. roleOf is what whoever asks may do, in the words of
// the API, as far as that is known at once: the first picture has what it allows.
func Handle(mux *http.ServeMux, roleOf func(*http.Request) string) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { serveIndex(w, r, roleOf(r)) })
	mux.HandleFunc("GET "+assetsPath+"{hash}/{name...}", serveAsset)
}

// serveIndex serves the page itself. It is never kept by browsers, since it names the
// version of all others.
func serveIndex(w http.ResponseWriter, r *http.Request, role string) {
	s, err := load()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError) // not before a wrong build
		return
	}
	// Relative addresses need the slash; with a sub-path the mux has never seen the path.
	if asked, _, _ := strings.Cut(r.RequestURI, "?"); strings.HasPrefix(asked, "/") && !strings.HasSuffix(asked, "/") {
		w.Header().Set("Location", "./"+path.Base(asked)+"/")
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	const policy = "Content-Security-Policy" // of the server
	h.Set(policy, strings.Replace(h.Get(policy), "style-src 'self'", "style-src 'self' "+s.style, 1))
	io.WriteString(w, s.index(s.languageOf(r), role)) // an error is one of the connection
}

// serveAsset serves one file, which never changes under its name.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	s, err := load()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	a, known := s.files[r.PathValue("name")]
	if !known || r.PathValue("hash") != s.hash {
		http.Error(w, "this file is of another version; load the page again", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := a.zipped
	if accepts(r, "gzip") {
		h.Set("Content-Encoding", "gzip")
	} else if body, err = unzip(a.zipped); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // an error is one of the connection
}

// accepts reports whether the request accepts an encoding (RFC 9110, 12.5.3).
func accepts(r *http.Request, encoding string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ","), func(one string) bool {
		name, q, _ := strings.Cut(strings.TrimSpace(one), ";")
		weight := strings.TrimPrefix(strings.ReplaceAll(q, " ", ""), "q=")
		zero := weight != "" && strings.Trim(weight, "0.") == ""
		return strings.EqualFold(strings.TrimSpace(name), encoding) && !zero
	})
}
