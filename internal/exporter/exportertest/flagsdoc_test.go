package exportertest

import (
	"testing"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

func TestFlagsDoc(t *testing.T) {
	app := kingpin.New("test_exporter", "Exports <things> | more.")
	exporter.AddFlags(app, ":9999")
	serve := app.Command("serve", "Serve metrics.").Default()
	serve.Flag("source.dir", "Directory with a|b files.").PlaceHolder("DIR").Strings()
	check := app.Command("check", "Check files.")
	check.Arg("path", "File to check.").Strings()
	check.Flag("json", "Print JSON.").Bool()
	check.Flag("secret", "Not shown.").Hidden().Bool()
	app.Command("internal", "Not shown.").Hidden()
	FlagsDoc(t, app, "testdata/flags.md")
}

func TestSharedVariable(t *testing.T) {
	app := kingpin.New("test_exporter", "An exporter for tests.")
	exporter.AddFlags(app, ":9999")
	app.Command("one", "").Flag("first", "").Envar("SHARED").String()
	app.Command("two", "").Flag("second", "").Envar("SHARED").String()
	_, err := flagsDoc(app)
	if want := "one --first and two --second share the variable SHARED"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
