package mqtttools

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/spf13/pflag"

	"sensorgate/internal/mqtt"
)

// client holds the flags that Pub, Sub and Request have in common; their names are those
// of the mosquitto tools, which fingers know.
type client struct {
	// Quiet is --quiet: whoever runs the tool prints no error.
	Quiet bool

	// FindBroker finds the gateway's own broker; it is asked when no flag names one. Nil:
	// the usual address of MQTT on this machine.
	FindBroker func(context.Context) (Broker, error)

	// Words are the arguments that are no flags: what belongs to -D.
	Words []string

	flags               *pflag.FlagSet
	host, url, socket   string
	port                int
	user, password      string
	id, idPrefix        string
	keepAlive           int
	keepSession         bool
	qos                 int
	version             string
	debug               bool
	cafile, capath      string
	cert, key           string
	tlsVersion, alpn    string
	serverName          string // in the certificate; "" is that of the url
	osCerts, insecure   bool
	willTopic, willText string
	willQoS             int
	willRetain          bool
	inflight            int
	filters             []string // topics of the url of -L

	tool        string // pub, sub or rr
	found       bool   // FindBroker was asked
	bind, proxy string
	webSocket   bool
	optionsFile string
	expiry      string
	propertyAt  []string
	properties  userProperties
}

// usualVersion is the version of MQTT that mosquitto's tool takes by itself: a request has its
// response topic only in 5.
func usualVersion(tool string) string {
	if tool == "rr" {
		return "5"
	}
	return "311"
}

func (c *client) register(f *pflag.FlagSet, tool string) {
	c.flags, c.tool = f, tool
	f.Bool("help", false, "show this help") // -h is the host
	f.StringVarP(&c.host, "host", "h", usualAddress, "`host` of the broker; if it and -p are not given, the gateway's own broker")
	f.IntVarP(&c.port, "port", "p", 0, "its `port` (1883, with TLS 8883)")
	f.StringVar(&c.socket, "unix", "", "connect to a Unix `socket` instead")
	f.StringVarP(&c.url, "url", "L", "", "mqtt(s)|ws(s)://[user[:password]@]host[:port][/topic], instead of -h, -p, -u, -P and -t")
	f.StringVarP(&c.user, "username", "u", "", "user `name`")
	f.StringVarP(&c.password, "pw", "P", "", "`password`; safer: the environment variable MQTT_PASSWORD")
	f.StringVarP(&c.id, "id", "i", "", "client `id`; default: a random one")
	f.StringVarP(&c.idPrefix, "id-prefix", "I", "", "random client id with this `prefix`")
	f.IntVarP(&c.keepAlive, "keepalive", "k", 60, "`seconds` of silence after which the broker is asked for an answer")
	f.BoolVarP(&c.keepSession, "disable-clean-session", "c", false, "the broker keeps the session and what arrives meanwhile; needs -i")
	f.IntVarP(&c.qos, "qos", "q", 0, "0, 1 or 2")
	f.StringVarP(&c.version, "protocol-version", "V", usualVersion(tool), "`version` of MQTT: 5, 311 or 31")
	f.BoolVar(&c.Quiet, "quiet", false, "no error messages")
	f.BoolVarP(&c.debug, "debug", "d", false, "print what happens")
	f.StringVar(&c.cafile, "cafile", "", "`file` with the certificates that are trusted")
	f.StringVar(&c.capath, "capath", "", "`folder` with such files")
	f.StringVar(&c.cert, "cert", "", "`file` with our certificate")
	f.StringVar(&c.key, "key", "", "`file` with its key")
	f.StringVar(&c.tlsVersion, "tls-version", "", "tlsv1.2 or tlsv1.3: not less than this")
	f.StringVar(&c.alpn, "tls-alpn", "", "`protocol` to ask for")
	f.BoolVar(&c.osCerts, "tls-use-os-certs", false, "TLS with the certificates of the system")
	f.BoolVar(&c.insecure, "insecure", false, "do not check the name in the certificate: not for real use")
	f.StringVar(&c.willTopic, "will-topic", "", "`topic` of the last will")
	f.StringVar(&c.willText, "will-payload", "", "its `message`")
	f.IntVar(&c.willQoS, "will-qos", 0, "its QoS")
	f.BoolVar(&c.willRetain, "will-retain", false, "it is retained")
	f.StringVarP(&c.bind, "bind", "A", "", "connect from this `address` of ours")
	f.Bool("nodelay", false, "accepted for mosquitto's sake: packets are never held back")
	f.StringVar(&c.proxy, "proxy", "", "connect through socks5h://[user:password@]host[:port]")
	f.BoolVar(&c.webSocket, "ws", false, "MQTT over WebSocket")
	f.StringVarP(&c.optionsFile, "options", "o", "", "`file` with one option a line; default: ~/.config/mosquitto_"+c.tool)
	f.StringVarP(&c.expiry, "session-expiry-interval", "x", "", "MQTT 5: `seconds` that the broker keeps the session without us; ∞ or -1 for always")
	f.StringArrayVarP(&c.propertyAt, "property", "D", nil, "MQTT 5: `packet` property value, e.g. -D publish user-property key value")
	f.IntVarP(&c.inflight, "max-inflight", "M", 20, "`messages` that wait for their acknowledgement at a time, either way")
}

// check looks at the flags that need more than a type, and takes -L apart.
func (c *client) check() error {
	for _, step := range []func() error{c.readOptions, c.takeProperties, c.parseURL, c.checkProxy, c.checkVersion} {
		if err := step(); err != nil {
			return err
		}
	}
	if c.password == "" {
		c.password = os.Getenv("MQTT_PASSWORD")
	}
	switch {
	case c.qos < 0 || c.qos > 2 || c.willQoS < 0 || c.willQoS > 2:
		return errors.New("QoS is 0, 1 or 2")
	case c.keepSession && c.id == "":
		return errors.New("-c needs a client id that stays the same: -i ID")
	case c.id != "" && c.idPrefix != "":
		return errors.New("use either -i or -I")
	case c.willTopic == "" && (c.willText != "" || c.willRetain || c.flags.Changed("will-qos")):
		return errors.New("a last will needs --will-topic")
	case c.willTopic != "" && mqtt.CheckTopic(c.willTopic) != nil:
		return fmt.Errorf("--will-topic %q: %w", c.willTopic, mqtt.CheckTopic(c.willTopic))
	case c.cert != "" && c.key == "" || c.cert == "" && c.key != "":
		return errors.New("--cert and --key go together")
	case c.inflight < 1:
		return errors.New("-M is 1 or more")
	case c.keepAlive < 0 || c.keepAlive > 65535:
		return errors.New("-k is 0 to 65535 seconds")
	}
	return nil
}

// checkVersion looks at -V and at what only MQTT 5 has.
func (c *client) checkVersion() error {
	c.version = strings.TrimPrefix(c.version, "mqttv")
	switch c.version {
	case "5", "311", "31", "3.1.1", "3.1":
	default:
		return fmt.Errorf("-V %s: have 5, 311 and 31", c.version)
	}
	if !c.is5() && (c.expiry != "" || c.properties.given) {
		return errors.New("-x and -D are of MQTT 5: -V 5")
	}
	switch c.expiry {
	case "", "-1", "∞":
	default:
		if err := number(c.expiry, 0, &c.properties.connect.SessionExpiryInterval); err != nil {
			return fmt.Errorf("-x: %w", err)
		}
	}
	return nil
}

func (c *client) is5() bool { return c.version == "5" }

// sessionExpiry is how long the broker keeps the session, in seconds: with -c always, as
// the older versions do (MQTT 5, 3.1.2.11.2).
func (c *client) sessionExpiry() *uint32 {
	always := ^uint32(0)
	switch {
	case c.properties.connect.SessionExpiryInterval != nil:
		return c.properties.connect.SessionExpiryInterval
	case c.expiry != "" || c.keepSession:
		return &always
	}
	return nil
}

// takeProperties gives every -D the words behind it.
func (c *client) takeProperties() error {
	words := c.Words
	for _, at := range c.propertyAt {
		words = append([]string{at}, words...)
		n := propertyWords(words)
		if len(words) < n {
			return fmt.Errorf("-D %s: expected a property and its value; user-property has a key and a value", strings.Join(words, " "))
		}
		if err := c.properties.set(words[:n]); err != nil {
			return err
		}
		words = words[n:]
	}
	if len(words) > 0 {
		return fmt.Errorf("found the argument %q, and expected only flags", words[0])
	}
	return nil
}

func (c *client) parseURL() error {
	if c.url == "" {
		return nil
	}
	u, err := url.Parse(c.url)
	if err != nil || u.Host == "" {
		return fmt.Errorf("-L %s: expected mqtt://host/topic", withoutPassword(c.url))
	}
	switch u.Scheme {
	case "mqtts", "ssl", "tls", "wss":
		c.osCerts = c.osCerts || c.cafile == "" && c.capath == ""
	case "mqtt", "tcp", "ws":
	default:
		return fmt.Errorf("-L %s://…: have mqtt, mqtts, ws and wss", u.Scheme)
	}
	if topic := strings.TrimPrefix(u.Path, "/"); topic != "" && !strings.HasPrefix(u.Scheme, "ws") {
		c.filters = append(c.filters, topic)
	}
	if u.User != nil {
		c.user = u.User.Username()
		if p, ok := u.User.Password(); ok {
			c.password = p
		}
	}
	return nil
}

func withoutPassword(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return "URL"
}

// address is where to connect, as paho wants it.
func (c *client) address() string {
	if c.socket != "" {
		return "unix://" + c.socket
	}
	port := c.port
	if c.url == "" {
		scheme := "tcp"
		if c.usesTLS() {
			scheme = "ssl"
		}
		if port == 0 {
			port = map[string]int{"tcp": 1883, "ssl": 8883}[scheme]
		}
		if c.webSocket {
			scheme = map[string]string{"tcp": "ws", "ssl": "wss"}[scheme]
		}
		return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(c.host, fmt.Sprint(port)))
	}
	u, err := url.Parse(c.url)
	if err != nil {
		return c.url // refused by check
	}
	scheme := map[string]string{"mqtt": "tcp", "mqtts": "ssl", "tls": "ssl"}[u.Scheme]
	if scheme == "" {
		scheme = u.Scheme
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"tcp": "1883", "ssl": "8883", "ws": "80", "wss": "443"}[scheme])
	}
	path := ""
	if strings.HasPrefix(scheme, "ws") {
		path = u.Path
	}
	return scheme + "://" + host + path
}

func (c *client) usesTLS() bool {
	return c.cafile != "" || c.capath != "" || c.osCerts || c.cert != "" || c.insecure
}

func (c *client) options() (*paho.ClientOptions, error) {
	o := paho.NewClientOptions().AddBroker(c.address()).SetClientID(c.clientID()).
		SetUsername(c.user).SetPassword(c.password).SetCleanSession(!c.keepSession).
		SetKeepAlive(time.Duration(c.keepAlive) * time.Second).SetConnectTimeout(connectTimeout).
		SetMaxReconnectInterval(10 * time.Second).SetProtocolVersion(4).SetOrderMatters(true).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
			defer cancel()
			return c.dial(ctx)
		})
	if c.version == "31" || c.version == "3.1" {
		o.SetProtocolVersion(3)
	}
	if c.willTopic != "" {
		o.SetBinaryWill(c.willTopic, []byte(c.willText), byte(c.willQoS), c.willRetain)
	}
	if !c.usesTLS() {
		return o, nil
	}
	_, err := c.tlsConfig() // or a missing file would show as a connection that fails
	return o, err
}

func (c *client) clientID() string {
	if c.id != "" {
		return c.id
	}
	prefix := c.idPrefix
	if prefix == "" {
		prefix = "sg"
	}
	var b [6]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + hex.EncodeToString(b[:])
}

func (c *client) tlsConfig() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.insecure, ServerName: c.serverName}
	switch c.tlsVersion {
	case "", "tlsv1.2":
	case "tlsv1.3":
		conf.MinVersion = tls.VersionTLS13
	default:
		return nil, UsageError{fmt.Errorf("--tls-version %s: have tlsv1.2 and tlsv1.3", c.tlsVersion)}
	}
	if c.alpn != "" {
		conf.NextProtos = strings.Split(c.alpn, ",")
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, UsageError{fmt.Errorf("--cert and --key: %w", err)}
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	pool, err := c.trusted()
	conf.RootCAs = pool
	return conf, err
}

// trusted returns the certificates of --cafile and --capath; nil are the system's.
func (c *client) trusted() (*x509.CertPool, error) {
	files := []string{}
	if c.cafile != "" {
		files = append(files, c.cafile)
	}
	if c.capath != "" {
		entries, err := os.ReadDir(c.capath)
		if err != nil {
			return nil, UsageError{fmt.Errorf("--capath: %w", err)}
		}
		for _, e := range entries {
			files = append(files, c.capath+"/"+e.Name())
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	pool, found := x509.NewCertPool(), false
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil && file == c.cafile {
			return nil, UsageError{fmt.Errorf("--cafile: %w", err)}
		}
		found = pool.AppendCertsFromPEM(pem) || found
	}
	if !found {
		return nil, UsageError{fmt.Errorf("%s: no certificate in it", strings.Join(files, ", "))}
	}
	return pool, nil
}

// errNotLetIn is a login that the broker refuses.
var errNotLetIn = errors.New("not authorised")

// connectError adds what to try.
func (c *client) connectError(err error) error {
	where := withoutPassword(c.address())
	if text, ok := strings.CutPrefix(err.Error(), "network Error : "); ok && !strings.Contains(text, "refused") {
		return fmt.Errorf("%s: %s", where, text) // the library's words in front add nothing
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(err.Error(), "connection refused"):
		return fmt.Errorf("%s: connection refused (no broker listens there)", where)
	case errors.Is(err, errNotLetIn) || strings.Contains(err.Error(), "ot Authorized") || strings.Contains(err.Error(), "bad user name"):
		return fmt.Errorf("%s: the broker does not let user %q in (try: -u and -P)", where, c.user)
	case strings.Contains(err.Error(), "unknown authority"):
		return fmt.Errorf("%s: its certificate is signed by nobody we trust (try: --cafile)", where)
	}
	return fmt.Errorf("%s: %w", where, err)
}

// debugf prints what --debug asks for.
func (c *client) debugf(format string, args ...any) {
	if c.debug {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}
