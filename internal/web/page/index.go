package page

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
)

// index.html is what a browser paints first: the frame with the navigation, before any
// module runs. It names what the page asks for next, so that nothing waits for another to be
// read: the texts and the first answers of the API are on their way at once.

// views are those of the navigation, each with the least role that sees it; app.js has the
// same list (TestNavigationIsThatOfTheModules).
var views = []struct{ name, role string }{
	{"now", "view"}, {"plot", "view"}, {"upstreams", "view"}, {"clients", "view"}, {"log", "operate"}, {"config", "admin"}, {"gateway", "view"},
}

// roles are those of the API, each may do what those before it may.
var roles = []string{"nobody", "view", "operate", "admin"}

func may(role, least string) bool { return slices.Index(roles, role) >= slices.Index(roles, least) }

// firstAnswers are what the page asks of the API at its start.
var firstAnswers = []string{"me", "status", "devices"}

// usual is the language for whom no other was found.
const usual = "en"

// texts are those of index.html in one language.
type texts map[string]json.RawMessage

func (t texts) get(key string) string {
	var s string
	if json.Unmarshal(t[key], &s) != nil {
		return key
	}
	return html.EscapeString(s)
}

// readTexts reads the catalogues of all languages.
func (s *bundle) readTexts() error {
	s.texts = map[string]texts{}
	for name, file := range s.files {
		language, ok := strings.CutPrefix(strings.TrimSuffix(name, ".json"), "texts/")
		if !ok {
			continue
		}
		plain, err := unzip(file.zipped)
		if err != nil {
			return err
		}
		all := texts{}
		if err := json.Unmarshal(plain, &all); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.texts[language] = texts{}
		for _, v := range views {
			s.texts[language]["nav."+v.name] = all["nav."+v.name]
		}
		s.texts[language]["skip"] = all["skip"]
	}
	return nil
}

// languageOf is the one that a person chose in this browser, or that the browser prefers
// (RFC 9110, 12.5.4). i18n.js chooses by the same rule, and has the last word.
func (s *bundle) languageOf(r *http.Request) string {
	wanted := strings.Split(r.Header.Get("Accept-Language"), ",")
	if c, err := r.Cookie("language"); err == nil {
		wanted = append([]string{c.Value}, wanted...)
	}
	for _, w := range wanted {
		w, _, _ = strings.Cut(strings.TrimSpace(w), ";")
		w, _, _ = strings.Cut(strings.ToLower(w), "-")
		if s.texts[w] != nil {
			return w
		}
	}
	return usual
}

// index is index.html for somebody.
func (s *bundle) index(language, role string) string {
	dir := strings.TrimPrefix(assetsPath, "/") + s.hash // relative: any sub-path will do
	t := s.texts[language]
	var nav, preload strings.Builder
	for _, v := range views {
		if may(role, v.role) {
			fmt.Fprintf(&nav, "<a href=\"#/%s\">%s</a>", v.name, t.get("nav."+v.name))
		}
	}
	ask := func(url string) {
		fmt.Fprintf(&preload, "<link rel=\"preload\" as=\"fetch\" crossorigin href=\"%s\">\n", url)
	}
	ask(dir + "/texts/" + language + ".json")
	for _, name := range firstAnswers {
		if name == "me" || may(role, "view") { // the rest would be refused
			ask("api/v1/" + name)
		}
	}
	return strings.NewReplacer("{{assets}}", dir, "{{language}}", language, "{{skip}}", t.get("skip"), "{{nav}}", nav.String(), "{{preload}}", preload.String()).Replace(s.template)
}
