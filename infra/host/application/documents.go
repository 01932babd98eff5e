package application

import (
	"sync"

	"go.uber.org/zap"

	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
	"plugboard/infra/httpserver"
)

// serveDocuments gives the documents of the API to the server. They are made at the first request for one, so that the
// start does not wait for them.
func (a *App) serveDocuments() {
	if a.parts.Spec == nil {
		return
	}
	a.parts.Server.ServeDocuments(sync.OnceValue(func() httpserver.Documents {
		document := a.document([]byte(a.parts.Spec()))
		old, err := openapi.Old(document)
		if err != nil {
			a.Logger().Error("the OpenAPI 3.0 document could not be written", zap.Error(err))
		}
		return httpserver.Documents{OpenAPI: string(document), OpenAPI30: string(old)}
	}))
}

// document returns the document that was built in, or one made from the registrations when that is stale.
func (a *App) document(built []byte) []byte {
	endpoints, components, err := a.endpoints()
	if err != nil {
		a.Logger().Error("the OpenAPI document could not be checked against what is registered", zap.Error(err))
		return built
	}
	document, stale, err := openapi.Current(built, manifest.Service{Endpoints: endpoints, Components: components})
	switch {
	case err != nil:
		a.Logger().Error("the OpenAPI document could not be checked against what is registered", zap.Error(err))
	case stale:
		a.Logger().Warn("docs/openapi.json is older than what the plugins register: the service shows the right document, without " +
			"the comments of the sources. Run go tool plug docs and build again")
	}
	return document
}
