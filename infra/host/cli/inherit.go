package cli

import (
	"plugboard/config"
	"plugboard/infra/host/activation"
	"plugboard/infra/host/application"
	"plugboard/infra/host/devpage"
)

// newServing is [Commands.New] for the command that serves. It takes over the socket that the process was started with, if there is one,
// and in development shows what plug dev has to say. Neither is a setting: both belong to this one process.
func (c *Commands) newServing() (*application.App, error) {
	inherited, err := activation.Listener(c.environ)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(c.environ, c.sections()...)
	if inherited != nil {
		cfg.HTTP.Addr = inherited.Addr().String() // what is decided by the address, is decided by the true one
	}
	a, err := c.assemble(cfg, err)
	if err != nil {
		if inherited != nil {
			_ = inherited.Close() // it is not used
		}
		return nil, err
	}
	if inherited != nil {
		a.Server().ListenOn(inherited)
	}
	if file := devpage.File(c.environ); file != "" && cfg.App.Env == "development" {
		a.Server().AnswerFirst(devpage.Answer(file))
	}
	return a, nil
}
