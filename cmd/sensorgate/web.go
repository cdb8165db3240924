package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	userfile "sensorgate/broker/passwd"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

// newWeb is the parent of what has to do with the page.
func newWeb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "web",
		Short: "make the page reachable from other machines",
	}
	cmd.AddCommand(newWebSetup())
	return cmd
}

// webSetup is how the page becomes reachable.
type webSetup struct {
	settings
	user, listen, cert, key string
}

func newWebSetup() *cobra.Command {
	var w webSetup
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "ask for the first admin's password, make a certificate, serve the page over https",
		Long: `Asks for the password of a user who may do everything, makes a certificate that is signed
by itself (or takes yours), writes the https listener into conf.d beside the configuration,
checks it, has a gateway that runs take it up, and prints the address and the fingerprint
that a browser must show. Devices and MQTT clients that get in without a login still do.
At a pipe the password is the first line.`,
		Example: "  sudo sensorgate web setup\n  sudo sensorgate web setup --cert /etc/ssl/gw.crt --key /etc/ssl/gw.key",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.setup(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&w.path, "config", "c", defaultConfig, "configuration `file`")
	cmd.Flags().StringVar(&w.user, "user", "admin", "name of the admin")
	cmd.Flags().StringVar(&w.listen, "listen", ":8443", "`address:port` on which the page is served")
	cmd.Flags().StringVar(&w.cert, "cert", "", "certificate `file`; default: one is made")
	cmd.Flags().StringVar(&w.key, "key", "", "key `file` of the certificate")
	return cmd
}

func (w *webSetup) setup(ctx context.Context, in io.Reader, out, errOut io.Writer) error {
	w.rootOnly = true
	c, err := w.load(os.Stderr)
	if err != nil {
		return err
	}
	if err := mayWrite(filepath.Join(filepath.Dir(w.path), "conf.d")); err != nil {
		return err
	}
	if err := userfile.CheckUser(w.user); err != nil {
		return usageError{err}
	}
	if (w.cert == "") != (w.key == "") {
		return usageError{errors.New("--cert and --key go together")}
	}
	dir, err := filepath.Abs(filepath.Dir(w.path))
	if err != nil {
		return err
	}
	file := filepath.Join(filepath.Dir(w.path), "conf.d", "web.toml")
	if _, err := os.Stat(file); err == nil {
		return usageError{fmt.Errorf("%s is there already: this was done before (another password: sensorgate passwd add %s %s)", file, c.Broker.Passwords, w.user)}
	}
	passwords := c.Broker.Passwords
	if passwords == "" {
		passwords = filepath.Join(dir, "passwd")
	}
	hint := ""
	if w.cert == "" {
		hint = " (without both files new ones are made: remove them, or name yours with --cert and --key)"
		w.cert, w.key = filepath.Join(dir, "web.crt"), filepath.Join(dir, "web.key")
		if err := makeCertificate(c.Node, time.Now(), w.cert, w.key); err != nil {
			return err
		}
	}
	pair, err := tls.LoadX509KeyPair(w.cert, w.key) // before anybody types a password
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w%s", w.cert, w.key, err, hint)
	}
	if _, _, err := setPassword(in, errOut, passwords, w.user, "argon2id", false); err != nil {
		return err
	}
	text := w.text(c, passwords)
	if next, problems := config.LoadDrafts(w.path, []config.Draft{{Name: file, Text: text}}, gateway.NewHardware(discard).Catalogue()); next == nil {
		problems.WriteText(out, false)
		return usageError{errReported}
	}
	if _, err := w.takeUp(ctx, out, file, text); err != nil {
		return err
	}
	return w.report(out, pair)
}

// text is the file that opens the page to the network.
func (w *webSetup) text(c *config.Config, passwords string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by sensorgate web setup.\n\n[web]\nlisten = [%q]\ncert   = %q\nkey    = %q\n", "https://"+w.listen, w.cert, w.key)
	if !slices.Contains(c.Web.Admin, w.user) {
		fmt.Fprintf(&b, "admin  = [%q]\n", w.user)
	}
	if c.Broker.Passwords == "" {
		fmt.Fprintf(&b, "\n[broker]\npasswords = %q\n", passwords)
		if c.Broker.Anonymous == nil {
			b.WriteString("anonymous = true                # as before; false: every MQTT client needs a login\n")
		}
	}
	return b.String()
}

// report prints where the page is and how its certificate is known.
func (w *webSetup) report(out io.Writer, pair tls.Certificate) error {
	host, port, err := net.SplitHostPort(w.listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen: %w", err)}
	}
	names := []string{host}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		names = ownAddresses()
	}
	fmt.Fprintf(out, "\nThe page, for user %s:\n", w.user)
	for _, n := range names {
		fmt.Fprintf(out, "  https://%s\n", net.JoinHostPort(n, port))
	}
	sum := sha256.Sum256(pair.Certificate[0])
	fmt.Fprintf(out, "SHA-256 fingerprint of its certificate, to compare with what the browser shows:\n  %s\n", strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":"))
	return nil
}

// ownAddresses are those of this machine under which others reach it, its name last.
func ownAddresses() (all []string) {
	addrs, err := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); err == nil && ok && n.IP.IsGlobalUnicast() {
			all = append(all, n.IP.String())
		}
	}
	if name, err := os.Hostname(); err == nil {
		name, _, _ = strings.Cut(name, ".")
		all = append(all, name+".local")
	}
	return all
}
