// Package kitlog lets a program that still holds a go-kit/log Logger embed the
// collectors of this module, which take a *slog.Logger.
//
//	c := nginx.New(targets, nginx.Config{
//		Logger: slog.New(kitlog.New(logger, kitlog.Config{})),
//	})
//
// Each record becomes one call of the go-kit logger: level, msg, and the
// attributes in order. Levels are those of go-kit's level package, so that
// level.NewFilter works. Groups become dotted keys, as in http.status=200.
//
// New programs do not need this package: give the collectors their
// *slog.Logger.
package kitlog
