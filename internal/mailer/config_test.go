package mailer

import (
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
)

// TestCheck names each mistake.
func TestCheck(t *testing.T) {
	for args, want := range map[string]string{
		"": "",
		"--mail.to=a@example.com --mail.from=b@example.com --mail.smtp=mail.example.com:25":    "",
		"--mail.to=a@example.com --mail.from=b@example.com --mail.sendmail=/usr/sbin/sendmail": "",
		"--mail.smtp=mail.example.com:25":                                                           "--mail.to is missing: name who the mail is for",
		"--mail.to=a@example.com":                                                                   "--mail.from is missing: name the address that the mail is sent from",
		"--mail.to=a@example.com --mail.from=b@example.com":                                         "there is no way to send: name a mail server by --mail.smtp, or a program by --mail.sendmail",
		"--mail.to=nobody --mail.from=b@example.com --mail.smtp=m:25":                               `--mail.to: "nobody" is no mail address`,
		"--mail.to=a@exämple.com --mail.from=b@example.com --mail.smtp=m:25":                        `--mail.to: "a@exämple.com" has other characters than those of ASCII: write its domain with xn--`,
		"--mail.to=a@example.com --mail.from=\"x --mail.smtp=m:25":                                  `--mail.from: "\"x" is no mail address`,
		"--mail.to=a@example.com --mail.from=b@example.com --mail.smtp=m":                           "--mail.smtp must be a host and a port, such as mail.example.com:587",
		"--mail.to=a@example.com --mail.from=b@example.com --mail.smtp=m:25 --mail.sendmail=/bin/s": "--mail.smtp and --mail.sendmail exclude each other",
		"--mail.to=a@example.com --mail.from=b@example.com --mail.smtp=m:25 --mail.user=u":          "--mail.user and --mail.password-file belong together",
		"--mail.to=a@example.com --mail.from=b@example.com --mail.sendmail=/bin/s --mail.user=u":    "--mail.user, --mail.password-file and --mail.ca-file are for --mail.smtp",
	} {
		var c Config
		app := kingpin.New("test", "")
		c.AddFlags(app.Command("send", ""))
		if _, err := app.Parse(append([]string{"send"}, strings.Fields(args)...)); err != nil {
			t.Fatal(err)
		}
		err := c.Check()
		if got := ""; err != nil {
			got = err.Error()
			if got != want {
				t.Errorf("%s: error %q, want %q", args, got, want)
			}
		} else if want != "" {
			t.Errorf("%s: no error, want %q", args, want)
		}
	}
}
