package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
	"sensorgate/internal/timing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// longest bounds every wait. It is no measurement: on a busy machine everything takes
// its time.
const longest = 90 * time.Second

// binary is the program under test, and allocator the one browser of all tests.
var (
	binary    string
	allocator context.Context
	noBrowser string // why there is none
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sensorgate-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := prepare(dir)
	if code == 0 {
		code = m.Run()
	}
	if allocator != nil {
		chromedp.Cancel(allocator) // the browser ends; it has nothing to save
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func prepare(dir string) int {
	if timing.Race {
		noBrowser = "the browser drives the built program, in which nothing is detected: make browser"
		return 0
	}
	path := findBrowser()
	if path == "" {
		noBrowser = "no Chromium here (Debian package chromium)"
		return 0
	}
	binary = filepath.Join(dir, "sensorgate")
	build := exec.Command("go", "build", "-o", binary, "sensorgate/cmd/sensorgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Flag("hide-scrollbars", true), chromedp.WSURLReadTimeout(longest),
		chromedp.Flag("lang", "en-GB"), chromedp.Env("LANGUAGE=en_GB", "TZ=UTC"))
	exec, _ := chromedp.NewExecAllocator(context.Background(), options...)
	allocator, _ = chromedp.NewContext(exec)
	if err := chromedp.Do(allocator); err != nil {
		noBrowser = fmt.Sprintf("%s does not start: %v", path, err)
	}
	return 0
}

func findBrowser() string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

func needBrowser(t *testing.T) {
	t.Helper()
	if noBrowser != "" {
		t.Skip("skipped: " + noBrowser)
	}
}

// program is one that runs beside the test.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nothing outlives the test
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		p.cmd.Wait() // how it ended is in its output
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(name), p.text())
		}
	})
	return p
}

func (p *program) kill() {
	p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// until polls ok until it holds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(longest)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, longest)
		}
	}
}

func listens(port int) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// demo starts `sensorgate demo` and returns the port of its page.
func demo(t *testing.T) int {
	t.Helper()
	needBrowser(t)
	port := freeport.Port(t)
	start(t, binary, "demo", "--port", strconv.Itoa(freeport.Port(t)), "--upstream-port", strconv.Itoa(freeport.Port(t)), "--page-port", strconv.Itoa(port))
	until(t, "the page of the demo", func() bool { return listens(port) })
	return port
}

// station is a gateway with users ann (operate), bob (admin) and vic (view), whose
// passwords are their names twice. It can be killed and started again on its port.
type station struct {
	t    *testing.T
	port int
	dir  string
	p    *program
}

func gateway(t *testing.T, toml string) *station {
	t.Helper()
	needBrowser(t)
	s := &station{t: t, port: freeport.Port(t), dir: t.TempDir()}
	users := filepath.Join(s.dir, "passwd")
	for _, user := range []string{"ann", "bob", "vic"} {
		cmd := exec.Command(binary, "passwd", "add", users, user)
		cmd.Stdin = strings.NewReader(user + user + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("passwd: %v: %s", err, out)
		}
	}
	s.write(fmt.Sprintf("node = \"barn\"\ndata = %q\n[broker]\nlisten = [\"tcp://127.0.0.1:0\"]\npasswords = %q\n[web]\nlisten = [\"http://127.0.0.1:%d\"]\noperate = [\"ann\"]\nadmin = [\"bob\"]\n",
		filepath.Join(s.dir, "data"), users, s.port) + toml)
	s.start()
	return s
}

func (s *station) config() string { return filepath.Join(s.dir, "sensorgate.toml") }

func (s *station) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.config(), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *station) read() string {
	s.t.Helper()
	text, err := os.ReadFile(s.config())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *station) reload() {
	s.t.Helper()
	if err := s.p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
}

func (s *station) start() {
	s.t.Helper()
	s.p = start(s.t, binary, "run", "--config", s.config())
	until(s.t, "the page", func() bool { return listens(s.port) })
}

func (s *station) address() string { return address(s.port) }

func address(port int) string { return fmt.Sprintf("http://127.0.0.1:%d/", port) }

// tab is one page of the browser, in a profile of its own: nobody is logged in there.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string // of the console
}

type size struct {
	width, height int64
	mobile        bool
}

var (
	desktop = size{1280, 800, false}
	phone   = size{390, 844, true}
)

// open opens an address and waits until the page is there.
func open(t *testing.T, url string, s size, before ...action) *tab {
	t.Helper()
	needBrowser(t)
	ctx, stop := chromedp.NewContext(allocator, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	x := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, x.listen); err != nil {
		t.Fatal(err)
	}
	x.run(s.emulate())
	x.run(before...)
	x.run(chromedp.Navigate(url))
	x.see(`document.body.dataset.ready === 'yes'`)
	t.Cleanup(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, e := range x.errors {
			t.Errorf("the browser's console: %s", e)
		}
		if t.Failed() {
			x.keepPicture()
		}
	})
	return x
}

// listen notes what a page must never do: throw, or be stopped by the content security
// policy. A gateway that is away or refuses is no mistake of the page.
func (x *tab) listen(ev any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		text, _ := json.Marshal(e.ExceptionDetails) // plain data
		x.errors = append(x.errors, string(text))
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" {
			text, _ := json.Marshal(e.Args) // plain data
			x.errors = append(x.errors, string(text))
		}
	case *log.EventEntryAdded:
		if e.Entry.Source == "security" {
			x.errors = append(x.errors, e.Entry.Text)
		}
	}
}

type action = chromedp.Action[chromedp.Void]

// command is a command of the browser's protocol as a step.
func command[P, R any](c cdp.Command[P, R], params P) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (s size) emulate() action {
	scale := 1.0
	if s.mobile {
		scale = 2
	}
	return chromedp.Steps(
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: scale, Mobile: s.mobile}),
		command(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: s.mobile}))
}

func (x *tab) run(steps ...action) {
	x.t.Helper()
	ctx, stop := context.WithTimeout(x.ctx, longest)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		x.t.Fatalf("the browser: %v\nthe page says: %s", err, x.text("body"))
	}
}

// see waits until an expression is true in the page. A navigation in between is no fault.
func (x *tab) see(expression string) {
	x.t.Helper()
	ctx, stop := context.WithTimeout(x.ctx, longest)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if yes && err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			x.t.Fatalf("not seen: %s: %v\nthe page says: %s", expression, err, x.text("body"))
		}
	}
}

// seeText waits until an element has a text in it.
func (x *tab) seeText(selector, text string) {
	x.t.Helper()
	x.see(fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))", selector, text))
}

// get is the value of an expression, or of its promise.
func get[T any](x *tab, expression string) T {
	x.t.Helper()
	ctx, stop := context.WithTimeout(x.ctx, longest)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		x.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (x *tab) text(selector string) string {
	ctx, stop := context.WithTimeout(x.ctx, 10*time.Second)
	defer stop()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector)))
	if err != nil {
		return err.Error()
	}
	return s
}

// click clicks what a person would: an element with that text in it that can be seen and
// used. Finding and clicking are one step, or the page could draw it anew in between.
func (x *tab) click(selector, text string) {
	x.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll(%q)].find(e => e.innerText.includes(%q) && e.checkVisibility() && !e.disabled)", selector, text)
	x.see("(e => { if (!e) return false; e.scrollIntoView({block: 'center'}); e.click(); return true })(" + find + ")")
}

// write types into the element that a selector finds.
func (x *tab) write(selector, keys string) {
	x.t.Helper()
	x.see(fmt.Sprintf("document.querySelector(%q)?.checkVisibility()", selector))
	x.run(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).focus()", selector)), chromedp.KeyEvent(keys))
}

// keys sends keys to whatever has the focus.
func (x *tab) keys(keys string) {
	x.t.Helper()
	x.run(chromedp.KeyEvent(keys))
}

// login logs in by the dialog.
func (x *tab) login(user, password string) {
	x.t.Helper()
	x.click(".who button", "Log in")
	x.write("#user", user)
	x.write("#password", password+"\r")
	x.seeText(".who", user)
}

// picture is what is on the screen.
func (x *tab) picture() ([]byte, error) {
	ctx, stop := context.WithTimeout(x.ctx, longest)
	defer stop()
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}

// keepPicture puts what a person would have seen of a failed test where it can be found. A
// page that is made slow, or is too busy to draw one, has none: that is no second fault.
func (x *tab) keepPicture() {
	ctx, stop := context.WithTimeout(x.ctx, 20*time.Second)
	defer stop()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	path := filepath.Join(os.TempDir(), "sensorgate-"+strings.ReplaceAll(x.t.Name(), "/", "-")+".png")
	if err == nil {
		err = os.WriteFile(path, picture, 0o600)
	}
	x.t.Logf("what was on the screen: %s (%v)", path, err)
}

func dark() action {
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
}
