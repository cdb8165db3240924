package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sensorgate/internal/freeport"
)

// nginxConfig shows the page below /gw/, as one adds it to a server that is there already.
const nginxConfig = `
daemon off;
pid %[1]s/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  server {
    listen 127.0.0.1:%[2]d;
    location = /gw { return 308 /gw/; }
    location /gw/ {
      proxy_pass http://127.0.0.1:%[3]d/;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`

// Behind nginx at a sub-path nothing has to be configured: all addresses are relative. A
// request that somebody forwarded has to log in.
func TestSubPathBehindNginx(t *testing.T) {
	needBrowser(t)
	nginx := ""
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			nginx = path
		}
	}
	if nginx == "" {
		t.Skip("skipped: no nginx here (Debian package nginx-light)")
	}
	s := gateway(t, barn)
	dir, port := t.TempDir(), freeport.Port(t)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, nginxConfig, dir, port, s.port), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, nginx, "-c", path, "-p", dir)
	until(t, "nginx", func() bool { return listens(port) })

	x := open(t, address(port)+"gw", desktop)
	x.seeText("form.login", "Log in")
	if there := get[string](x, "location.pathname"); there != "/gw/" {
		t.Errorf("the address is %s", there)
	}
	x.write("#user", "ann")
	x.write("#password", "annann\r")
	x.seeText("[aria-label=greenhouse] .unit", "°C")
	get[bool](x, `(window.first = `+temperature+`.innerText, true)`)
	x.see(temperature + `.innerText !== first`) // events pass through
	x.click("tr.channel a", "temperature")
	x.see(`document.querySelector('.u-over')`)
	get[bool](x, `(location.reload(), true)`)
	x.see(`document.querySelector('.u-over') && document.querySelector('.who').innerText.includes('ann')`)
}

// With base in the configuration the gateway itself serves below the path.
func TestBaseInTheConfiguration(t *testing.T) {
	s := gateway(t, barn)
	s.write(strings.Replace(s.read(), "[web]\n", "[web]\nbase = \"/gw\"\n", 1))
	s.p.kill()
	s.start()
	x := open(t, "http://127.0.0.1:"+strconv.Itoa(s.port)+"/gw", desktop)
	x.seeText("[aria-label=greenhouse] .unit", "°C")
	if there := get[string](x, "location.pathname"); there != "/gw/" {
		t.Errorf("the address is %s", there)
	}
}
