//! The order in which services start: what a service depends on comes first, the file's order
//! decides the rest.

use std::sync::Arc;

use squall_host::Diagnostic;

use super::ServicePlan;

/// The order, or a complaint that names the circle.
pub(super) fn start_order(
    services: &[Arc<ServicePlan>],
) -> Result<Vec<Arc<ServicePlan>>, Diagnostic> {
    let mut ordered = Vec::new();
    let mut path = Vec::new();
    for service in services {
        visit(service, services, &mut path, &mut ordered)?;
    }
    Ok(ordered)
}

fn visit(
    service: &Arc<ServicePlan>,
    services: &[Arc<ServicePlan>],
    path: &mut Vec<String>,
    ordered: &mut Vec<Arc<ServicePlan>>,
) -> Result<(), Diagnostic> {
    if ordered.iter().any(|done| done.name == service.name) {
        return Ok(());
    }
    path.push(service.name.clone());
    for dependency in &service.depends_on {
        let wanted = &dependency.value.service;
        if let Some(start) = path.iter().position(|name| name == wanted) {
            let circle = [&path[start..], std::slice::from_ref(wanted)].concat();
            return Err(Diagnostic::at(
                dependency.origin.clone(),
                format!("services wait for each other: {}", circle.join(" -> ")),
            )
            .help("take one `depends_on` out of the circle"));
        }
        if let Some(found) = services.iter().find(|s| s.name == *wanted) {
            visit(found, services, path, ordered)?;
        }
    }
    path.pop();
    ordered.push(service.clone());
    Ok(())
}
