/* The dashboard: one page, made from dashboard/ when this was built.
 *
 * Happy path: the page and what a browser may do with it. Failures: none. Close: nothing is held.
 */
#include "admin.h"

#include "dashboard.h"

int admin_page(hoist_req *req, hoist_res *res)
{
    (void)req;
    hoist_res_header(res, "Content-Security-Policy", DASHBOARD_POLICY);
    hoist_res_header(res, "Referrer-Policy", "no-referrer");
    return hoist_reply_static(res, 200, "text/html; charset=utf-8", dashboard_page, dashboard_page_len);
}
