package node

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/collectors/node"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// flags are the flags of this binary. Those of upstream's collectors are passed
// on to them.
type flags struct {
	*exporter.Flags
	host   []*hostFlag
	config node.Config
}

func newApp() (*kingpin.Application, *flags) {
	app := kingpin.New("node_exporter", "Metrics of a host, of its containers and certificates.")
	f := &flags{Flags: exporter.AddFlags(app, ":9100")}
	for _, m := range node.Flags() {
		f.host = append(f.host, addHostFlag(app, m))
	}
	app.Flag("collector.disable-defaults", "Set all collectors to disabled by default.").BoolVar(&f.config.DisableDefaults)
	app.Flag("collector.timeout", "Timeout for each collector, three quarters of the scrape timeout at most. Use 0 for these three quarters.").
		Default("0").DurationVar(&f.config.Timeout)
	app.Flag("collector.container", "Enable the container collector: CPU, memory and block devices of containers by their cgroups (default: disabled).").
		BoolVar(&f.config.Containers)
	app.Flag("collector.container.limit", "Maximum number of containers with metrics of their own. Further ones are only counted.").Default("500").IntVar(&f.config.MaxContainers)
	app.Flag("collector.container.socket", "Path of the socket of Docker or Podman that is asked for the names of containers, read-only. Whoever holds such a socket is root. Repeatable.").
		StringsVar(&f.config.Sockets)
	app.Flag("collector.certificate.files", "PEM or DER certificate whose expiry is exposed, or a glob pattern of such files, below --path.rootfs. Enables the certificate collector. Repeatable.").
		StringsVar(&f.config.Certificates)
	return app, f
}

// hostFlag is a flag of upstream's collectors, declared a second time on our
// application, which keeps what it was given instead of its meaning.
type hostFlag struct {
	clause     *kingpin.FlagClause
	model      *kingpin.FlagModel
	values     []string // given or default
	fromCaller bool     // given as an argument
}

func addHostFlag(app *kingpin.Application, m *kingpin.FlagModel) *hostFlag {
	f := &hostFlag{model: m}
	f.clause = app.Flag(m.Name, m.Help).Default(m.Default...).IsSetByUser(&f.fromCaller)
	f.clause.SetValue(f)
	if m.Envar != "" {
		f.clause.Envar(m.Envar)
	}
	if m.Hidden {
		f.clause.Hidden()
	}
	return f
}

// Set implements kingpin.Value.
func (f *hostFlag) Set(s string) error {
	if f.IsBoolFlag() {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("--%s: %q is neither true nor false", f.model.Name, s)
		}
		s = strconv.FormatBool(b)
	}
	f.values = append(f.values, s)
	return nil
}

// String implements kingpin.Value.
func (f *hostFlag) String() string { return strings.Join(f.values, ",") }

// IsBoolFlag lets kingpin accept --flag and --no-flag.
func (f *hostFlag) IsBoolFlag() bool { return f.model.IsBoolFlag() }

// IsCumulative lets kingpin accept the flag more than once if upstream does.
func (f *hostFlag) IsCumulative() bool {
	v, ok := f.model.Value.(interface{ IsCumulative() bool })
	return ok && v.IsCumulative()
}

// args returns what was given for the flag, as arguments. A default is not
// given: upstream tells the two apart.
func (f *hostFlag) args() []string {
	var args []string
	switch {
	case !f.fromCaller && !f.clause.HasEnvarValue():
	case !f.IsBoolFlag():
		for _, v := range f.values {
			args = append(args, "--"+f.model.Name+"="+v)
		}
	case slices.Contains(f.values, "true"):
		args = append(args, "--"+f.model.Name)
	default:
		args = append(args, "--no-"+f.model.Name)
	}
	return args
}

// hostArgs returns what was given for upstream's collectors.
func (f *flags) hostArgs() []string {
	var args []string
	for _, h := range f.host {
		args = append(args, h.args()...)
	}
	return args
}
