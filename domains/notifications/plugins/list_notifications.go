package plugins

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/notifications/models"
)

// ListNotificationsRequest says which notifications GET /notifications returns.
type ListNotificationsRequest struct {
	app.PageQuery
	// ProductID is the product the notifications are about; nil means any.
	ProductID *int64 `form:"product_id" json:"-" binding:"omitempty,min=1" example:"1"`
}

// ListNotificationsItem is one notification of the list.
type ListNotificationsItem struct {
	ID        int64     `json:"id" example:"1"`
	Topic     string    `json:"topic" example:"product.created"`
	ProductID int64     `json:"product_id" example:"1"`
	CreatedAt time.Time `json:"created_at" example:"2026-01-31T12:00:00Z"`
}

// ListNotificationsData is one page of notifications.
type ListNotificationsData = app.Page[ListNotificationsItem]

// ListNotificationsResponse is the answer of GET /notifications.
type ListNotificationsResponse = app.Response[ListNotificationsData]

// ListNotifications is the plugin that serves GET /notifications.
var ListNotifications = app.Plugin[*ListNotificationsPlugin]("notifications.list_notifications", NewListNotificationsPlugin)

// ListNotificationsPlugin reads pages of notifications.
type ListNotificationsPlugin struct {
	db *gorm.DB
}

// NewListNotificationsPlugin takes what the plugin needs; Fx resolves it by type.
func NewListNotificationsPlugin(db *gorm.DB) *ListNotificationsPlugin {
	return &ListNotificationsPlugin{db: db}
}

// OnBoot registers what the plugin serves.
func (p *ListNotificationsPlugin) OnBoot(b *app.Boot) {
	b.GET("/notifications", app.Handle(p.Execute), app.Tags("Notifications"))
}

// Execute returns one page of the notifications, the oldest first.
//
//	@ID			notifications.list_notifications
//	@Summary	List notifications
//	@Tags		Notifications
//	@Produce	json
//	@Param		limit					query		integer	false	"The most notifications to return"							default(20)	minimum(1)	maximum(100)
//	@Param		cursor					query		string	false	"The 'next' of the page before; without it the list begins"	maxlength(4096)
//	@Param		offset					query		integer	false	"The number of notifications to skip"						default(0)	minimum(0)	maximum(10000)
//	@Param		total					query		boolean	false	"Asks for the number of entries on all pages, counted up to 10,000"
//	@Param		product_id				query		integer	false	"Only those about this product"	minimum(1)
//	@Success	200						{object}	ListNotificationsResponse
//	@Failure	400,421,422,500,503,504	{object}	app.Failure
//	@Router		/notifications [get]
func (p *ListNotificationsPlugin) Execute(ctx context.Context, req ListNotificationsRequest) (ListNotificationsData, error) {
	query := p.db.WithContext(ctx).Model(&models.Notification{})
	if req.ProductID != nil {
		query = query.Where("product_id = ?", *req.ProductID)
	}
	page, err := app.FindPage[ListNotificationsItem](query, req.PageQuery, "")
	if err != nil {
		return page, fmt.Errorf("list notifications: %w", err)
	}
	return page, nil
}
