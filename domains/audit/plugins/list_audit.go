package plugins

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/audit/models"
)

// ListAuditRequest says which entries GET /audit returns.
type ListAuditRequest struct {
	app.PageQuery
	// ProductID is the product the entries are about; nil means any.
	ProductID *int64 `form:"product_id" json:"-" binding:"omitempty,min=1" example:"1"`
	// Topic is the topic of the events recorded; "" means any.
	Topic string `form:"topic" json:"-" binding:"max=200" example:"product.created"`
	// Principal is the ID of who made the requests that led to the entries; "" means anybody.
	Principal string `form:"principal" json:"-" binding:"max=512" example:"0198c0de-0000-7000-8000-00000000000a"`
}

// ListAuditItem is one entry of the list.
type ListAuditItem struct {
	ID            int64     `json:"id" example:"1"`
	EventID       string    `json:"event_id" example:"0198c0de-0000-7000-8000-000000000001"`
	Topic         string    `json:"topic" example:"product.created"`
	ProductID     int64     `json:"product_id" example:"1"`
	Summary       string    `json:"summary" example:"product \"Desk lamp\" was created at 49.9"`
	Emitter       string    `json:"emitter" example:"products.create_product"`
	ParentEventID string    `json:"parent_event_id" example:""`
	RequestID     string    `json:"request_id" example:"order-7"`
	Principal     string    `json:"principal" example:"0198c0de-0000-7000-8000-00000000000a"`
	OccurredAt    time.Time `json:"occurred_at" example:"2026-01-31T12:00:00Z"`
	RecordedAt    time.Time `json:"recorded_at" example:"2026-01-31T12:00:00Z"`
}

// ListAuditData is one page of entries.
type ListAuditData = app.Page[ListAuditItem]

// ListAuditResponse is the answer of GET /audit.
type ListAuditResponse = app.Response[ListAuditData]

// ListAudit is the plugin that serves GET /audit.
var ListAudit = app.Plugin[*ListAuditPlugin]("audit.list_audit", NewListAuditPlugin)

// ListAuditPlugin reads pages of entries.
type ListAuditPlugin struct {
	db *gorm.DB
}

// NewListAuditPlugin takes what the plugin needs; Fx resolves it by type.
func NewListAuditPlugin(db *gorm.DB) *ListAuditPlugin {
	return &ListAuditPlugin{db: db}
}

// OnBoot registers what the plugin serves.
func (p *ListAuditPlugin) OnBoot(b *app.Boot) {
	b.GET("/audit", app.Handle(p.Execute), app.Tags("Audit"))
}

// Execute returns one page of the entries, in the order in which they were recorded.
//
//	@ID				audit.list_audit
//	@Summary		List what happened
//	@Description	Entries in the order in which they were recorded. What is caused by an event has that event's id as parent_event_id, and all that a request led to has its request_id, and as principal who made it, where that is known.
//	@Tags			Audit
//	@Produce		json
//	@Param			limit					query		integer	false	"The most entries to return"								default(20)	minimum(1)	maximum(100)
//	@Param			cursor					query		string	false	"The 'next' of the page before; without it the list begins"	maxlength(4096)
//	@Param			offset					query		integer	false	"The number of entries to skip"								default(0)	minimum(0)	maximum(10000)
//	@Param			total					query		boolean	false	"Asks for the number of entries on all pages, counted up to 10,000"
//	@Param			product_id				query		integer	false	"Only those about this product"					minimum(1)
//	@Param			topic					query		string	false	"Only those of events of this topic"			maxlength(200)
//	@Param			principal				query		string	false	"Only what this principal's requests led to"	maxlength(512)
//	@Success		200						{object}	ListAuditResponse
//	@Failure		400,421,422,500,503,504	{object}	app.Failure
//	@Router			/audit [get]
func (p *ListAuditPlugin) Execute(ctx context.Context, req ListAuditRequest) (ListAuditData, error) {
	query := p.db.WithContext(ctx).Model(&models.Entry{})
	if req.ProductID != nil {
		query = query.Where("product_id = ?", *req.ProductID)
	}
	if req.Topic != "" {
		query = query.Where("topic = ?", req.Topic)
	}
	if req.Principal != "" {
		query = query.Where("principal = ?", req.Principal)
	}
	page, err := app.FindPage[ListAuditItem](query, req.PageQuery, "")
	if err != nil {
		return page, fmt.Errorf("list audit entries: %w", err)
	}
	return page, nil
}
