package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "make embedded from src and uplot")

// maxSize is what the whole page may weigh on the wire.
const maxSize = 120 << 10

// sources are the files of the page by the name under which they are served.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir("src", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		all[strings.TrimPrefix(filepath.ToSlash(name), "src/")] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"uPlot.iife.min.js": "uplot.js", "uPlot.min.css": "uplot.css"} {
		text, err := os.ReadFile(filepath.Join("uplot", from))
		if err != nil {
			t.Fatal(err)
		}
		if to == "uplot.js" { // as published it is a script that declares a variable
			text = append(text, "\nexport default uPlot;\n"...)
		}
		all[to] = text
	}
	return all
}

func TestEmbeddedFilesAreCurrent(t *testing.T) {
	want := served(t)
	if *update {
		writeEmbedded(t, want)
	}
	got := map[string][]byte{}
	err := filepath.WalkDir("embedded", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		zipped, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		got[strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(name), "embedded/"), ".gz")], err = unzip(zipped)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Error("embedded is not what src and uplot are; try: go test ./internal/web/page -run TestEmbeddedFilesAreCurrent -update")
	}
}

func writeEmbedded(t *testing.T, all map[string][]byte) {
	t.Helper()
	for name, text := range all {
		path := filepath.Join("embedded", filepath.FromSlash(name)+".gz")
		if old, err := os.ReadFile(path); err == nil {
			if was, err := unzip(old); err == nil && bytes.Equal(was, text) {
				continue // another version of the compressor would only make noise
			}
		}
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		z.Write(text) // into memory
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir("embedded", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || all[strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(name), "embedded/"), ".gz")] != nil {
			return err
		}
		return os.Remove(name)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWholePageIsSmall(t *testing.T) {
	s, err := load()
	if err != nil {
		t.Fatal(err)
	}
	all := len(s.template)
	for _, a := range s.files {
		all += len(a.zipped)
	}
	t.Logf("%d files, %.1f KiB", len(s.files)+1, float64(all)/1024)
	if all > maxSize {
		t.Errorf("the page weighs %d bytes, want at most %d", all, maxSize)
	}
}

// The library is exactly what was published; uplot/README.md has the checksums.
func TestUPlotIsAsPublished(t *testing.T) {
	readme, err := os.ReadFile("uplot/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"uPlot.iife.min.js", "uPlot.min.css", "LICENSE"} {
		text, err := os.ReadFile(filepath.Join("uplot", name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		if !strings.Contains(string(readme), hex.EncodeToString(sum[:])+"  "+name) {
			t.Errorf("%s has the checksum %x, which uplot/README.md does not name", name, sum)
		}
	}
}

func viewer(*http.Request) string { return "view" }

func get(t *testing.T, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	Handle(mux, viewer)
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestIndexNamesFilesThatAreThere(t *testing.T) {
	w := get(t, "/")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	names := regexp.MustCompile(`(?:src|href)="(assets/[^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1)
	if len(names) < 4 {
		t.Fatalf("only %d files are named in\n%s", len(names), w.Body)
	}
	for _, m := range names {
		a := get(t, "/"+m[1], "Accept-Encoding", "br, gzip")
		if a.Code != http.StatusOK || a.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(a.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", m[1], a.Code, a.Header())
		}
	}
}

// The policy of the server is widened for index.html by its one style, and for nothing else.
func TestPolicyAllowsTheStyleOfTheFirstPicture(t *testing.T) {
	mux := http.NewServeMux()
	Handle(mux, viewer)
	w := httptest.NewRecorder()
	w.Header().Set("Content-Security-Policy", "script-src 'self'; style-src 'self'; img-src 'self'")
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	_, style, _ := strings.Cut(w.Body.String(), "<style>")
	style, _, ok := strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	want := "script-src 'self'; style-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src 'self'"
	if got := w.Header().Get("Content-Security-Policy"); !ok || len(style) < 100 || got != want {
		t.Errorf("the policy is %s, want %s", got, want)
	}
}

// The first picture is in the language of the browser, or the one that was chosen, and has
// what the role may see.
func TestFirstPictureFitsWhoLooks(t *testing.T) {
	for _, test := range []struct {
		header     []string
		role, want string
	}{
		{nil, "view", `<html lang="en">`},
		{[]string{"Accept-Language", "fr-CH, de-CH;q=0.9, en;q=0.8"}, "view", `<a href="#/now">Übersicht</a>`},
		{[]string{"Accept-Language", "de", "Cookie", "language=zh"}, "view", `<html lang="zh">`},
		{[]string{"Cookie", "language=../en"}, "view", `<html lang="en">`},
		{nil, "admin", `href="#/config"`},
		{nil, "view", `href="api/v1/devices"`},
	} {
		mux := http.NewServeMux()
		Handle(mux, func(*http.Request) string { return test.role })
		r := httptest.NewRequest("GET", "/", nil)
		for i := 0; i < len(test.header); i += 2 {
			r.Header.Set(test.header[i], test.header[i+1])
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), test.want) || strings.Contains(w.Body.String(), "{{") {
			t.Errorf("%v as %s: no %s in\n%s", test.header, test.role, test.want, w.Body)
		}
		if test.role == "view" && strings.Contains(w.Body.String(), "#/config") {
			t.Error("a viewer is shown the configuration")
		}
	}
	s, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if text := s.index("en", "nobody"); strings.Contains(text, "#/plot") || strings.Contains(text, "api/v1/devices") {
		t.Errorf("nobody is shown\n%s", text)
	}
}

var inApp = regexp.MustCompile(`(?m)^  (\w+): \{ make: .*, role: '(\w+)'(, hidden: true)? \},$`)

// The navigation that is painted first is the one that the modules make of it.
func TestNavigationIsThatOfTheModules(t *testing.T) {
	text, err := os.ReadFile("src/app.js")
	if err != nil {
		t.Fatal(err)
	}
	var app []string
	for _, m := range inApp.FindAllStringSubmatch(string(text), -1) {
		if m[3] == "" {
			app = append(app, m[1]+" "+m[2])
		}
	}
	var here []string
	for _, v := range views {
		here = append(here, v.name+" "+v.role)
	}
	if !slices.Equal(app, here) {
		t.Errorf("app.js has %v, index.go %v", app, here)
	}
}

func TestClientWithoutGzipGetsPlainText(t *testing.T) {
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	for _, accept := range []string{"", "identity", "gzip;q=0, br"} {
		w := get(t, assetsPath+all.hash+"/app.js", "Accept-Encoding", accept)
		if w.Code != http.StatusOK || w.Header().Get("Content-Encoding") != "" || !strings.Contains(w.Body.String(), "import") {
			t.Errorf("accepting %q: %d %v", accept, w.Code, w.Header())
		}
	}
}

// A page that was loaded before an update must not get a module of after it.
func TestFileOfAnotherVersionIsNotServed(t *testing.T) {
	for _, path := range []string{assetsPath + "0123456789abcdef/app.js", assetsPath + "x/../../page.go"} {
		if w := get(t, path); w.Code == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
}

// Below a sub-path everything is relative, so the address has to end with a slash.
func TestAddressWithoutSlashGetsOne(t *testing.T) {
	mux := http.NewServeMux()
	Handle(mux, viewer)
	r := httptest.NewRequest("GET", "/gw", nil)
	r.URL.Path = "/" // what the server's base took off
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code != http.StatusPermanentRedirect || w.Header().Get("Location") != "./gw/" {
		t.Errorf("%d, to %q", w.Code, w.Header().Get("Location"))
	}
}

var inline = regexp.MustCompile(`(?i)<style|style="|\son[a-z]+="|<script[^>]*>[^<]|javascript:|innerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://[^\s'"]+\.(?:js|css)`)

// The content security policy forbids inline scripts, and all inline styles but the one whose
// checksum it has; markup out of text is how what a device sends would become a script.
func TestNoInlineScriptStyleOrMarkupFromText(t *testing.T) {
	for name, text := range sources(t) {
		if strings.HasPrefix(name, "uplot") {
			continue
		}
		if name == "index.html" {
			text = bytes.Replace(text, []byte("<style>{{frame}}</style>"), nil, 1)
		}
		if m := inline.FindString(string(text)); m != "" {
			t.Errorf("%s has %q", name, m)
		}
	}
}

var (
	imported = regexp.MustCompile(`(?m)^import (?:(\w+)(?:, )?)?(?:\{([^}]*)\} )?from '\./([\w.]+)'$`)
	exported = regexp.MustCompile(`(?m)^export (?:async )?(?:function|const|class|let) (\w+)`)
)

// What is imported is used, and is exported where it is said to be: a name that is wrong there
// would only be found by whoever opens that view.
func TestModulesImportWhatTheyUse(t *testing.T) {
	all := sources(t)
	for name, text := range all {
		if !strings.HasSuffix(name, ".js") || strings.HasPrefix(name, "uplot") {
			continue
		}
		body := imported.ReplaceAllString(string(text), "")
		for _, m := range imported.FindAllStringSubmatch(string(text), -1) {
			from, names := string(all[m[3]]), strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })
			if from == "" {
				t.Errorf("%s imports from %s, which is not there", name, m[3])
			}
			for _, n := range names {
				if !slices.ContainsFunc(exported.FindAllStringSubmatch(from, -1), func(e []string) bool { return e[1] == n }) {
					t.Errorf("%s imports %s from %s, which does not export it", name, n, m[3])
				}
			}
			for _, n := range append(names, m[1]) {
				if n != "" && !regexp.MustCompile(`(?:^|[^\w.]|\.\.\.)`+n+`\b`).MatchString(body) {
					t.Errorf("%s imports %s and does not use it", name, n)
				}
			}
		}
	}
}

// --- texts

func catalogue(t *testing.T, language string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("src/texts/" + language + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%s: %v", language, err)
	}
	return all
}

var slot = regexp.MustCompile(`\{\w+\}`)

// slots are the names in braces of a text, of all its forms.
func slots(v any) []string {
	text, _ := json.Marshal(v) // strings and objects of strings
	all := slot.FindAllString(string(text), -1)
	slices.Sort(all)
	return slices.Compact(all)
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	english := catalogue(t, "en")
	for _, language := range []string{"de", "zh"} {
		other := catalogue(t, language)
		for key, text := range english {
			switch {
			case other[key] == nil || other[key] == "":
				t.Errorf("%s lacks %q", language, key)
			case !slices.Equal(slots(text), slots(other[key])):
				t.Errorf("%s: %q has %v, English has %v", language, key, slots(other[key]), slots(text))
			}
		}
		for key := range other {
			if english[key] == nil {
				t.Errorf("%s has %q, which English lacks", language, key)
			}
		}
	}
}

// used are the keys that the modules name. One that is put together names its beginning.
var used = regexp.MustCompile(`\bt\(\s*(?:[\w.!?&|\s()]+\?\s*)?'([\w.]+)'(?:\s*:\s*'([\w.]+)')?(\s*\+)?`)

func TestEveryTextThatIsNamedExists(t *testing.T) {
	english := catalogue(t, "en")
	for name, text := range sources(t) {
		if !strings.HasSuffix(name, ".js") || name == "uplot.js" {
			continue
		}
		for _, m := range used.FindAllStringSubmatch(string(text), -1) {
			for i, key := range m[1:3] {
				starts := func(k string) bool { return strings.HasPrefix(k, key) }
				switch {
				case key == "":
				case i == 0 && m[3] != "":
					if !slices.ContainsFunc(slices.Collect(maps.Keys(english)), starts) {
						t.Errorf("%s: no text begins with %q", name, key)
					}
				case english[key] == nil:
					t.Errorf("%s: no text %q", name, key)
				}
			}
		}
	}
}
