package i18n_test

import (
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
)

func ExampleText() {
	d := dmarc.NewDecoder(nil)
	d.Text = i18n.Text() // kept when the Decoder is Reset
	fmt.Println(d.Text.Host("Bücher.example"))
	// Output: xn--bcher-kva.example <nil>
}
