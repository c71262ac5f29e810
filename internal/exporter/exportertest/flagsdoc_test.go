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
