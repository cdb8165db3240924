package deploy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/freeport"
	"sensorgate/internal/homeassistant/hatest"
)

// recipe returns the blocks of a section of docs/recipes.md, by their kind.
func recipe(t *testing.T, title string) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "\n## "+title+"\n")
	if !found {
		t.Fatalf("docs/recipes.md has no recipe %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	blocks := map[string]string{}
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		blocks[m[1]] = m[3]
	}
	return blocks
}

// attic is a gateway with one made-up value, and more of a file behind it.
func attic(t *testing.T, more string) (port string) {
	t.Helper()
	port = strconv.Itoa(freeport.Port(t))
	dir := t.TempDir()
	text := fmt.Sprintf("node = \"barn-pi\"\ndata = %q\nbroker.listen = [\"tcp://127.0.0.1:%s\"]\n%s\n", filepath.Join(dir, "store"), port, more) +
		"[device.attic]\ndriver = \"sim\"\nevery = \"1s\"\n[device.attic.channels]\ntemperature = { shape = \"sine\", from = 21, to = 21.5, digits = 0, unit = \"°C\" }\n"
	file := filepath.Join(dir, "sensorgate.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startGateway(t, program(t), file, port)
	return port
}

// one message of a topic, from the broker at the port.
func one(t *testing.T, port, topic string) string {
	t.Helper()
	return strings.TrimSuffix(run(t, program(t), "sub", "-p", port, "-t", topic, "-C", "1", "-W", "60"), "\n")
}

var yamlLine = regexp.MustCompile(`(?m)^ +([\w]+): "?(.*?)"?$`)

// Home Assistant by hand: the bridge of the recipe brings the value to Home Assistant's
// broker, and the templates of its YAML make a number and a state of it.
func TestRecipeHomeAssistantByHand(t *testing.T) {
	t.Parallel()
	blocks := recipe(t, "Home Assistant by hand")
	dir := t.TempDir()
	far := filepath.Join(dir, "home.toml")
	home := strconv.Itoa(freeport.Port(t))
	if err := os.WriteFile(far, fmt.Appendf(nil, "node = \"home\"\ndata = \"\"\nbroker.listen = [\"tcp://127.0.0.1:%s\"]\n", home), 0o600); err != nil {
		t.Fatal(err)
	}
	startGateway(t, program(t), far, home)
	secret := filepath.Join(dir, "home.pass")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	attic(t, strings.NewReplacer("homeassistant.local:1883", "127.0.0.1:"+home, `{ credential = "secret_home" }`, fmt.Sprintf("{ file = %q }", secret)).Replace(blocks["toml"]))
	yaml := map[string]string{}
	for _, m := range yamlLine.FindAllStringSubmatch(blocks["yaml"], -1) {
		yaml[m[1]] = m[2]
	}
	value := one(t, home, yaml["state_topic"])
	state := one(t, home, yaml["availability_topic"])
	got := hatest.Render(t, []hatest.Template{{Template: yaml["value_template"], Payload: value}, {Template: yaml["availability_template"], Payload: state}})
	if got[0] != "21" && got[0] != "22" || got[1] != "online" || yaml["unit_of_measurement"] != "°C" {
		t.Errorf("Home Assistant shows %q of %s and %s", got, value, state)
	}
}

// Prometheus with the scrape of the recipe has the value.
func TestRecipePrometheus(t *testing.T) {
	t.Parallel()
	prometheus := tool(t, "prometheus")
	blocks := recipe(t, "Prometheus and Grafana")
	page, listen, dir := strconv.Itoa(freeport.Port(t)), strconv.Itoa(freeport.Port(t)), t.TempDir()
	attic(t, strings.ReplaceAll(blocks["toml"], "8880", page))
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {scrape_interval: 1s}\n"+strings.ReplaceAll(blocks["yaml"], "8880", page)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), prometheus, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:"+listen, "--log.level=error")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	ask := "http://127.0.0.1:" + listen + "/api/v1/query?query=" + url.QueryEscape(`sensorgate_reading{device="attic",channel="temperature",unit="°C"}`)
	for limit := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) { // another program: there is nothing to wait on
		if answer, err := http.Get(ask); err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if strings.Contains(string(text), `"barn-pi"`) || strings.Contains(string(text), `"21"]`) || strings.Contains(string(text), `"22"]`) {
				return
			}
		}
		if time.Now().After(limit) {
			t.Fatal("Prometheus has no value after a minute")
		}
	}
}

// Telegraf with deploy/telegraf writes the value into what answers as InfluxDB 2 does.
// TELEGRAF names the program; it is in no package of Debian.
func TestRecipeTelegraf(t *testing.T) {
	t.Parallel()
	telegraf := os.Getenv("TELEGRAF")
	if telegraf == "" {
		t.Skip("skipped: needs TELEGRAF, the path of the program")
	}
	written := make(chan string, 100)
	influx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/api/v2/write" {
			select {
			case written <- r.Header.Get("Authorization") + " " + r.URL.RawQuery + " " + string(text):
			default:
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer influx.Close()
	text, err := os.ReadFile("telegraf/sensorgate.conf")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "sensorgate.conf")
	conf := strings.NewReplacer("127.0.0.1:1883", "127.0.0.1:"+attic(t, ""), "http://127.0.0.1:8086", influx.URL).Replace(string(text))
	if err := os.WriteFile(config, []byte("[agent]\n  flush_interval = \"1s\"\n  omit_hostname = true\n"+strings.ReplaceAll(conf, `"$INFLUX_TOKEN"`, `"secret"`)+"  content_encoding = \"identity\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), telegraf, "--config", config)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	want := regexp.MustCompile(`^Token secret .*bucket=sensors.* reading,channel=temperature,device=attic,node=barn-pi,(topic=\S+,)?unit=°C value=2[12] \d{19}`)
	select {
	case got := <-written:
		if !want.MatchString(got) {
			t.Errorf("InfluxDB is given\n%s", got)
		}
	case <-time.After(time.Minute):
		t.Error("InfluxDB is given nothing in a minute")
	}
}
