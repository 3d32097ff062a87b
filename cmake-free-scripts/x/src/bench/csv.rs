//! The figures as comma-separated values: a line for each operation and ISA.

use super::column::Column;
use super::results::Results;
use crate::isa::Isa;

/// All of them, with a header. A figure that there is not is an empty field.
pub fn write(results: &Results) -> String {
    let names: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
    let mut text = format!("isa,group,operation,title,{}\n", names.join(","));
    for isa in Isa::ALL.into_iter().filter(|isa| results.isas.contains_key(isa.name())) {
        for operation in &results.operations {
            let figure = |column: &Column| results.figure(isa, *column, &operation.name).map_or(String::new(), |figure| figure.to_string());
            let figures: Vec<String> = Column::ALL.iter().map(figure).collect();
            text += &format!("{isa},{},{},\"{}\",{}\n", operation.group, operation.name, operation.title, figures.join(","));
        }
    }
    text
}
