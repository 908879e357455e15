//! Arrow's arrays -> JSON values.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Number, Value};

/// Row `i` of a batch.
pub fn row(batch: &RecordBatch, i: usize) -> Map<String, Value> {
    let schema = batch.schema_ref();
    let columns = schema.fields().iter().zip(batch.columns());
    columns.map(|(field, array)| (field.name().clone(), value(array.as_ref(), i))).collect()
}

fn primitive<T: ArrowPrimitiveType>(
    array: &dyn Array,
    i: usize,
    value: impl Fn(T::Native) -> Value,
) -> Value {
    array.as_primitive_opt::<T>().map_or(Value::Null, |array| value(array.value(i)))
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// The shortest digits of an f32 are those of its text.
fn single(number: f32) -> Value {
    number.to_string().parse().map_or(Value::Null, float)
}

fn list(items: &dyn Array) -> Value {
    Value::Array((0..items.len()).map(|i| value(items, i)).collect())
}

/// Bytes that may be text.
fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => Value::Object([("bytes".to_owned(), bytes.len().into())].into_iter().collect()),
    }
}

/// Value `i` of an array; what JSON has no word for is null.
fn value(array: &dyn Array, i: usize) -> Value {
    if i >= array.len() || array.is_null(i) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean_opt().map_or(Value::Null, |a| a.value(i).into()),
        DataType::Utf8 => array.as_string_opt::<i32>().map_or(Value::Null, |a| a.value(i).into()),
        DataType::LargeUtf8 => array.as_string_opt::<i64>().map_or(Value::Null, |a| a.value(i).into()),
        DataType::Utf8View => array.as_string_view_opt().map_or(Value::Null, |a| a.value(i).into()),
        DataType::Binary => array.as_binary_opt::<i32>().map_or(Value::Null, |a| bytes(a.value(i))),
        DataType::LargeBinary => array.as_binary_opt::<i64>().map_or(Value::Null, |a| bytes(a.value(i))),
        DataType::BinaryView => array.as_binary_view_opt().map_or(Value::Null, |a| bytes(a.value(i))),
        DataType::FixedSizeBinary(_) => {
            array.as_fixed_size_binary_opt().map_or(Value::Null, |a| bytes(a.value(i)))
        }
        DataType::List(_) => array.as_list_opt::<i32>().map_or(Value::Null, |a| list(&a.value(i))),
        DataType::LargeList(_) => array.as_list_opt::<i64>().map_or(Value::Null, |a| list(&a.value(i))),
        DataType::ListView(_) => array.as_list_view_opt::<i32>().map_or(Value::Null, |a| list(&a.value(i))),
        DataType::LargeListView(_) => {
            array.as_list_view_opt::<i64>().map_or(Value::Null, |a| list(&a.value(i)))
        }
        DataType::FixedSizeList(..) => {
            array.as_fixed_size_list_opt().map_or(Value::Null, |a| list(&a.value(i)))
        }
        DataType::Struct(fields) => array.as_struct_opt().map_or(Value::Null, |array| {
            let columns = fields.iter().zip(array.columns());
            Value::Object(columns.map(|(f, column)| (f.name().clone(), value(column.as_ref(), i))).collect())
        }),
        DataType::Map(..) => array.as_map_opt().map_or(Value::Null, |map| {
            let entries = map.value(i);
            let [keys, values] = entries.columns() else { return Value::Null };
            let key = |i| match value(keys.as_ref(), i) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Value::Object((0..entries.len()).map(|i| (key(i), value(values.as_ref(), i))).collect())
        }),
        DataType::Dictionary(key, _) => dictionary(array, key, i),
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => run::<Int16Type>(array, i),
            DataType::Int32 => run::<Int32Type>(array, i),
            _ => run::<Int64Type>(array, i),
        },
        kind => number(array, kind, i),
    }
}

fn dictionary(array: &dyn Array, key: &DataType, i: usize) -> Value {
    fn of<K: ArrowDictionaryKeyType>(array: &dyn Array, i: usize) -> Value {
        let Some(array) = array.as_dictionary_opt::<K>() else { return Value::Null };
        array.key(i).map_or(Value::Null, |key| value(array.values().as_ref(), key))
    }
    match key {
        DataType::Int8 => of::<Int8Type>(array, i),
        DataType::Int16 => of::<Int16Type>(array, i),
        DataType::Int32 => of::<Int32Type>(array, i),
        DataType::Int64 => of::<Int64Type>(array, i),
        DataType::UInt8 => of::<UInt8Type>(array, i),
        DataType::UInt16 => of::<UInt16Type>(array, i),
        DataType::UInt32 => of::<UInt32Type>(array, i),
        _ => of::<UInt64Type>(array, i),
    }
}

fn run<R: RunEndIndexType>(array: &dyn Array, i: usize) -> Value {
    let Some(array) = array.as_run_opt::<R>() else { return Value::Null };
    value(array.values().as_ref(), array.get_physical_index(i))
}

fn number(array: &dyn Array, kind: &DataType, i: usize) -> Value {
    match kind {
        DataType::Int8 => primitive::<Int8Type>(array, i, Value::from),
        DataType::Int16 => primitive::<Int16Type>(array, i, Value::from),
        DataType::Int32 => primitive::<Int32Type>(array, i, Value::from),
        DataType::Int64 => primitive::<Int64Type>(array, i, Value::from),
        DataType::UInt8 => primitive::<UInt8Type>(array, i, Value::from),
        DataType::UInt16 => primitive::<UInt16Type>(array, i, Value::from),
        DataType::UInt32 => primitive::<UInt32Type>(array, i, Value::from),
        DataType::UInt64 => primitive::<UInt64Type>(array, i, Value::from),
        DataType::Float16 => primitive::<Float16Type>(array, i, |n| single(n.to_f32())),
        DataType::Float32 => primitive::<Float32Type>(array, i, single),
        DataType::Float64 => primitive::<Float64Type>(array, i, float),
        DataType::Timestamp(TimeUnit::Second, _) => time::<TimestampSecondType>(array, i),
        DataType::Timestamp(TimeUnit::Millisecond, _) => time::<TimestampMillisecondType>(array, i),
        DataType::Timestamp(TimeUnit::Microsecond, _) => time::<TimestampMicrosecondType>(array, i),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => time::<TimestampNanosecondType>(array, i),
        DataType::Date32 => time::<Date32Type>(array, i),
        DataType::Date64 => time::<Date64Type>(array, i),
        DataType::Decimal128(..) => decimal::<Decimal128Type>(array, i),
        DataType::Decimal256(..) => decimal::<Decimal256Type>(array, i),
        DataType::Duration(TimeUnit::Second) => primitive::<DurationSecondType>(array, i, Value::from),
        DataType::Duration(TimeUnit::Millisecond) => {
            primitive::<DurationMillisecondType>(array, i, Value::from)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            primitive::<DurationMicrosecondType>(array, i, Value::from)
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            primitive::<DurationNanosecondType>(array, i, Value::from)
        }
        _ => Value::Null,
    }
}

/// As text: `2024-05-01 12:00:00`.
fn time<T: ArrowTemporalType>(array: &dyn Array, i: usize) -> Value
where
    i64: From<T::Native>,
{
    let array: Option<&PrimitiveArray<T>> = array.as_primitive_opt::<T>();
    array.and_then(|array| array.value_as_datetime(i)).map_or(Value::Null, |time| time.to_string().into())
}

fn decimal<T: DecimalType + ArrowPrimitiveType>(array: &dyn Array, i: usize) -> Value {
    let text = array.as_primitive_opt::<T>().map(|array| array.value_as_string(i));
    text.map_or(Value::Null, |text| text.parse::<Number>().map_or(Value::String(text), Value::Number))
}
